"""Build the C core and the Cython module over it.

The kernels are compiled once per instruction set, each with its own flags (csrc/isa/), so they are
built here as objects and handed to the linker; the metadata is in pyproject.toml. Environment:

TINYGRAD_CN_KERNELS=reference   no extension, no compiler: the package runs on NumPy alone
TINYGRAD_CN_NO_OPENMP=1         leave OpenMP out
TINYGRAD_CN_DEBUG=1             bounds checks in Cython, -O1 -g in C
CC, CFLAGS, LDFLAGS             as usual
"""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("TINYGRAD_CN_DEBUG") == "1"
NO_OPENMP = os.environ.get("TINYGRAD_CN_NO_OPENMP") == "1"
REFERENCE_ONLY = os.environ.get("TINYGRAD_CN_KERNELS") == "reference"

# Contraction and silent floating-point exceptions change no special value, as -ffast-math would.
C_FLAGS = ["-std=c11", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-lto"]
C_FLAGS += ["-Wall", "-Wextra", "-fvisibility=hidden"]
# A loop that begins with a cache line is fetched in fewer pieces, which counts where two threads
# share a core: 0.83 -> 0.94 of the rate of straight code in the tile of a matrix product (Zen 3).
C_FLAGS += ["-O1", "-g"] if DEBUG else ["-O3", "-g0", "-falign-loops=64"]

X86_V3 = ["-mavx2", "-mfma", "-mf16c", "-mbmi", "-mbmi2", "-mlzcnt", "-mmovbe", "-mpopcnt"]
X86_V4 = [*X86_V3, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"]
ISA_FLAGS = {
    "x86_64": {"baseline": [], "x86_v3": X86_V3, "x86_v4": X86_V4},
    "aarch64": {"baseline": [], "neon": []},
}

NO_COMPILER = """
tinygrad_cn cannot be built: {what}

The kernels are C and need a C11 compiler (gcc 9 or clang 10, or newer) and the headers of Python:
    Debian, Ubuntu    apt install gcc python3-dev
    Fedora            dnf install gcc python3-devel
    macOS             xcode-select --install
Without a compiler the package runs on NumPy, with the same results and less speed:
    TINYGRAD_CN_KERNELS=reference pip install tinygrad_cn
and with the same variable set when it is used.
"""


def machine() -> str:
    """The processor that is built for (a cross build says so in _PYTHON_HOST_PLATFORM)."""
    name = os.environ.get("_PYTHON_HOST_PLATFORM", platform.machine()).lower()
    if name.endswith(("x86_64", "amd64")):
        return "x86_64" if sys.maxsize > 2**32 else "other"
    return "aarch64" if name.endswith(("aarch64", "arm64")) else "other"


class BuildExt(build_ext):
    """build_ext that first asks the compiler what it can do, and compiles the core by itself."""

    def finalize_options(self):
        # Only a build needs Cython; `sdist` and metadata do not.
        from Cython.Build import cythonize

        self.distribution.ext_modules = cythonize(
            self.distribution.ext_modules,
            compiler_directives={
                "language_level": 3,
                "boundscheck": DEBUG,
                "wraparound": False,
                "initializedcheck": DEBUG,
                "cdivision": not DEBUG,
                "freethreading_compatible": True,
            },
        )
        super().finalize_options()

    def build_extension(self, ext):
        self.check_compiler()
        openmp_compile, openmp_link = self.openmp_flags()
        isas = self.isa_flags()
        have = [f"-DTG_HAVE_{isa}" for isa in isas]

        # Objects are kept per set of flags, and made again when a file they may include is newer.
        core = [p for p in sorted(Path("csrc").rglob("*.c")) if p.parent.name != "isa"]
        jobs = [(p, C_FLAGS + openmp_compile + have) for p in core]
        jobs += [(Path(f"csrc/isa/{isa}.c"), C_FLAGS + flags) for isa, flags in isas.items()]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ext.extra_objects = list(pool.map(lambda job: self.compile_object(*job), jobs))

        ext.extra_compile_args += ["-g" if DEBUG else "-g0", "-fvisibility=hidden"]
        ext.extra_link_args += openmp_link
        super().build_extension(ext)

    def compile_object(self, source, flags):
        command = [*self.compiler.compiler_so, *flags]
        key = hashlib.sha256(" ".join(command).encode()).hexdigest()[:12]
        build_dir = Path(self.build_temp, key)
        target = build_dir / source.with_suffix(".o")
        depends = [source, *Path("csrc").glob("*.h")]
        if source.parent.name == "isa":
            depends += [*Path("csrc/vec").glob("*.h"), *Path("csrc/kernels").glob("*.h")]
        newest = max(p.stat().st_mtime for p in depends)
        if self.force or not target.exists() or target.stat().st_mtime < newest:
            target.parent.mkdir(parents=True, exist_ok=True)
            began = time.time()
            self.compiler.compile([str(source)], output_dir=str(build_dir), extra_postargs=flags)
            os.utime(target, (began, began))  # a header saved meanwhile must count as newer
        return str(target)

    # --- what the compiler can do -----------------------------------------------------------------

    def try_build(self, text, flags=(), link_flags=None):
        """Compile a small program; with link flags also link and run it. Whether all went well."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(text)
            program = str(Path(folder, "probe"))
            includes = [f"-I{path}" for path in self.compiler.include_dirs + self.include_dirs]
            compile_command = [*self.compiler.compiler_so, *includes, *flags]
            try:
                probe(*compile_command, "-c", str(source), "-o", program + ".o")
                if link_flags is not None:
                    probe(*self.compiler.compiler, program + ".o", "-o", program, *link_flags)
                    probe(program)
            except (OSError, subprocess.SubprocessError) as error:
                self.probe_error = getattr(error, "stderr", None) or str(error)
                return False
        return True

    def check_compiler(self):
        compiler = " ".join(self.compiler.compiler_so[:1])
        if not self.try_build("int main(void) { return 0; }\n", ["-std=c11"]):
            what = f"the C compiler ({compiler}) does not work.\n{self.probe_error}"
            raise SystemExit(NO_COMPILER.format(what=what))
        if not self.try_build("#include <Python.h>\nint main(void) { return 0; }\n"):
            raise SystemExit(NO_COMPILER.format(what="the header Python.h is missing."))

    def isa_flags(self):
        """The flags of each instruction set that the compiler can build."""
        wanted = ISA_FLAGS.get(machine(), {"baseline": []})
        usable = {}
        for isa, flags in wanted.items():
            if not flags or self.try_build("#include <immintrin.h>\nint x;\n", [*flags, "-Werror"]):
                usable[isa] = flags
            else:
                print(f"tinygrad_cn: the compiler cannot build for {isa}; it is left out.")
        return usable

    def openmp_flags(self):
        """(compile, link) flags of OpenMP, or none: then every kernel runs on one thread."""
        if NO_OPENMP:
            return [], []
        text = (
            "#include <omp.h>\nint main(void) {\n"
            "#pragma omp parallel num_threads(2)\n    omp_get_thread_num();\n"
            "    return omp_get_max_threads() < 1;\n}\n"
        )
        candidates = [(["-fopenmp"], ["-fopenmp"])]
        if sys.platform == "darwin":
            candidates.append((["-Xpreprocessor", "-fopenmp"], ["-lomp"]))
        for compile_flags, link_flags in candidates:
            if self.try_build(text, compile_flags, link_flags):
                return compile_flags, link_flags
        print("tinygrad_cn: OpenMP does not work with this compiler; kernels will use one thread.")
        return [], []


def probe(*command):
    subprocess.run(command, check=True, capture_output=True, text=True)


extension = Extension(
    "tinygrad_cn.kernels._core",
    sources=["tinygrad_cn/kernels/_core.pyx"],
    include_dirs=["csrc", np.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    depends=sorted(str(p) for p in Path("csrc").rglob("*.[ch]")),
)

setup(
    ext_modules=[] if REFERENCE_ONLY else [extension],
    cmdclass={"build_ext": BuildExt},
)
