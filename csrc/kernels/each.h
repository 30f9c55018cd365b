/* each.h - the kernel headers in order, for the element type that is current (see ../vec/f32.h). */
/* Some use what others define: the order matters. */
/* clang-format off */
#include "elementwise.h"
#include "reduction.h"
#include "extreme.h"
#include "scan.h"
#include "scatter.h"
#include "partial.h"
#include "softmax.h"
#include "random.h"
#include "optimizer.h"
#include "matmul.h"
#include "top.h"
#include "convolution.h"
#include "planar.h"
#include "winograd.h"
#include "pooling.h"
#include "normalization.h"
#include "attention.h"
#include "recurrent.h"
/* clang-format on */
