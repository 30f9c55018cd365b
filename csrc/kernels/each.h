/* each.h - the kernel headers in order, for the element type that is current (see ../vec/f32.h). */
#include "elementwise.h"
#include "matmul.h"
#include "convolution.h"
#include "pooling.h"
#include "partial.h"
#include "normalization.h"
#include "attention.h"
#include "recurrent.h"
