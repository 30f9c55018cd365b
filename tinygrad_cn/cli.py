"""The command ``tinygrad-cn``, also ``python -m tinygrad_cn``.

Each command imports what it needs when it runs, so that ``--help`` is instant and a missing extra
is only missed by the command that wants it. Mistakes of the user end in one line on stderr and
status 2; ``--traceback`` shows where they came from.
"""

from __future__ import annotations

import argparse
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SOURCE = Path(__file__).parents[1]  # the repository, where this is a checkout


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    options = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = options.command
    try:
        return command(options) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, say `| head`, has seen enough
        sys.stderr.close()
        return 0
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if options.traceback:
            raise
        print(f"tinygrad-cn: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-cn", description="A small deep-learning engine to read and to be fast with."
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error came from (for bug reports)"
    )
    parser.set_defaults(command=_no_command)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    demo = commands.add_parser("demo", help="train a CNN on handwritten digits and draw the result")
    demo.add_argument("--output", default="demo_output", metavar="DIR", help="where results go")
    demo.add_argument("--epochs", type=_count, default=None, help="passes over the data")
    demo.add_argument("--seed", type=int, default=0, help="of weights and shuffling")
    demo.add_argument("--no-timing", action="store_true", help="skip the comparison of kernels")
    demo.set_defaults(command=_demo)

    predict = commands.add_parser("predict", help="read digits from images with the demo's weights")
    predict.add_argument("file", metavar="FILE", help="weights that the demo wrote")
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="PNG or NPY files")
    predict.set_defaults(command=_predict)

    run = commands.add_parser("run", help="run one of the example programs, or any script")
    run.add_argument("name", metavar="NAME", nargs="?", help="an example, or a path; none: list")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the program")
    run.set_defaults(command=_run)

    explain = commands.add_parser("explain", help="step through a backward pass, in the browser")
    explain.add_argument(
        "name", metavar="NAME", nargs="?", help="an example, or a path; none: list"
    )
    explain.add_argument("--save", metavar="FILE", help="write the page instead of opening it")
    explain.add_argument("--text", action="store_true", help="print the derivation instead")
    explain.add_argument("--language", choices=["zh", "en"], default="zh", help="of the text")
    explain.set_defaults(command=_explain)

    bench = commands.add_parser("bench", help="time the kernels beside NumPy's (in a checkout)")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on; try --help")
    bench.set_defaults(command=_bench)

    config = commands.add_parser("config", help="print version, instruction set, threads, compiler")
    config.set_defaults(command=_config)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 up, received {text}")
    return int(text)


def _no_command(options: argparse.Namespace) -> int:
    if options.version:
        from tinygrad_cn import __version__

        print(__version__)
        return 0
    _parser().print_help()
    return 2


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_cn import demo

    epochs = options.epochs or demo.EPOCHS
    return demo.main(options.output, epochs, options.seed, timing=not options.no_timing)


def _predict(options: argparse.Namespace) -> None:
    from tinygrad_cn import demo

    for name in [options.file, *options.images]:
        if not Path(name).is_file():
            raise FileNotFoundError(f"[predict] no such file: {name}")
    for name, digit, probability in demo.predict(options.file, options.images):
        print(f"{name}: {digit} ({probability:.1%})")


def _run(options: argparse.Namespace) -> int:
    path = _example(options.name, SOURCE / "examples", "run")
    if path is None:
        return 0
    return subprocess.run([sys.executable, path, *options.arguments], check=False).returncode


def _explain(options: argparse.Namespace) -> None:
    path = _example(options.name, SOURCE / "examples" / "explain", "explain")
    if path is None:
        return
    made = runpy.run_path(str(path)).get("main", lambda: None)()
    if not hasattr(made, "save"):
        raise TypeError(
            f"[explain] Expected a script whose main() returns what tg.explain returned; {path} "
            f"returned {type(made).__name__}."
        )
    if options.text:
        print(made.text(options.language))
    elif options.save:
        print(made.save(options.save))
    else:
        print(made.show())


def _example(name: str | None, folder: Path, command: str) -> Path | None:
    """The script of a name or path; without one the names are listed, and there is none."""
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    if name is None:
        print("\n".join(known) if known else "No examples here: they come with the source code.")
        return None
    path = folder / f"{name}.py" if name in known else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"[{command}] no such example or script. Expected a path or one of {', '.join(known)}; "
            f"received {name!r}."
        )
    return path


def _bench(options: argparse.Namespace) -> int:
    if not (SOURCE / "benchmarks").is_dir():
        raise FileNotFoundError(
            "[bench] the benchmarks come with the source code, not with an installed package. "
            "Expected to run in a checkout of the repository."
        )
    command = [sys.executable, "-m", "benchmarks", *options.arguments]
    return subprocess.run(command, cwd=SOURCE, check=False).returncode


def _config(options: argparse.Namespace) -> None:
    from tinygrad_cn import show_config

    show_config()
