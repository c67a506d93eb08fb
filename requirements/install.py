"""Makes the Python environment from a hash-pinned lock file, with the standard library alone.

    python3 requirements/install.py runtime|dev [--into DIR]

The environment is `.venv` beside this folder unless --into names another. A stamp inside it records what was
installed, so a second run with unchanged lock files is over at once and needs no network. Written so that a
Python too old for LeadMachine still reads it far enough to say so.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWER_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11")
HERE = os.path.dirname(os.path.abspath(__file__))
STAMP = "leadmachine.stamp"
SELDOM = "/(pip|setuptools|pkg_resources|tests?|locale|providers|phonenumbers/[a-z]*data)/"
# dev.lock holds all of runtime.lock, so an environment made for development runs the program as well.
SERVED_BY = {"runtime": ("runtime", "dev"), "dev": ("dev",)}


def main():
    require_python()
    wish = argparse.ArgumentParser(description="Make the Python environment from its lock file.")
    wish.add_argument("lock", choices=sorted(SERVED_BY))
    wish.add_argument("--into", default=os.path.join(os.path.dirname(HERE), ".venv"), metavar="DIR")
    chosen = wish.parse_args()
    folder = os.path.abspath(chosen.into)
    if is_current(folder, chosen.lock):
        return
    print("Making the Python environment in {} (once) …".format(folder), flush=True)
    if not works(folder):
        make_venv(folder)
    install(folder, chosen.lock)


def require_python():
    """Leaves with a sentence, or starts again under a newer Python found on the PATH."""
    if sys.version_info >= OLDEST:
        return
    newer = next(filter(None, map(shutil.which, NEWER_NAMES)), None)
    if newer is None:
        sys.exit(
            "LeadMachine needs Python 3.11 or newer; {} is {}. Install one, for example "
            "with `apt install python3.11 python3.11-venv` or `brew install python@3.12`.".format(
                sys.executable, sys.version.split()[0]
            )
        )
    os.execv(newer, [newer, *sys.argv])


def is_current(folder, lock):
    try:
        with open(os.path.join(folder, STAMP), encoding="utf-8") as file:
            found = file.read()
    except OSError:
        return False
    return works(folder) and any(found == stamp(folder, name) for name in SERVED_BY[lock])


def works(folder):
    """A virtual environment breaks when its folder is moved or its Python is removed."""
    return os.access(python_of(folder), os.X_OK) and os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def stamp(folder, lock):
    """What an up-to-date environment looks like; the folder is part of it, as scripts inside name it."""
    with open(lock_path(lock), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return "{} {}\n{}\n".format(lock, digest, folder)


def make_venv(folder):
    builder = [sys.executable, "-m", "venv", "--clear"]
    if not can_import("venv"):
        sys.exit(missing_venv())
    if can_import("ensurepip"):
        run([*builder, folder])
    elif can_import("pip"):
        # Debian without python3-venv but with python3-pip: the pip outside installs into the environment.
        run([*builder, "--without-pip", folder])
    else:
        sys.exit(missing_venv())


def install(folder, lock):
    stamp_file = os.path.join(folder, STAMP)
    if os.path.exists(stamp_file):
        os.remove(stamp_file)
    run(
        [
            *pip_for(folder),
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
            "--require-hashes",
            "--no-deps",
            # Wheels only: nothing is built, so no compiler is needed and no package's set-up code runs.
            "--only-binary=:all:",
            "--no-compile",
            "-r",
            lock_path(lock),
        ]
    )
    compile_modules(folder)
    with open(stamp_file, "w", encoding="utf-8") as file:
        file.write(stamp(folder, lock))


def compile_modules(folder):
    """On all cores, and without what is hardly ever imported: pip does it on one core and for every module.

    Needed because the program is several processes, each of which would compile for itself where
    PYTHONDONTWRITEBYTECODE is set. What does not compile is a template or an example: the code is ignored.
    """
    subprocess.call(
        [python_of(folder), "-m", "compileall", "-qq", "-j", "0", "-x", SELDOM, os.path.join(folder, "lib")]
    )


def pip_for(folder):
    inside = python_of(folder)
    if subprocess.call([inside, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        return [inside, "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", inside]


def run(command):
    failed = subprocess.call(command)
    if failed:
        sys.exit(
            "The environment could not be made: `{}` ended with code {} (its own message is above). "
            "The first run needs a network that reaches a Python package index.".format(
                " ".join(command[:4]), failed
            )
        )


def can_import(module):
    # A child, because Debian ships a venv and an ensurepip that fail only when they are imported.
    return subprocess.call([sys.executable, "-c", "import " + module], stderr=subprocess.DEVNULL) == 0


def missing_venv():
    return (
        "This Python ({}) cannot make virtual environments. On Debian and Ubuntu: "
        "`apt install python{}.{}-venv`; then run this again.".format(sys.executable, *sys.version_info[:2])
    )


def python_of(folder):
    return os.path.join(folder, "bin", "python")


def lock_path(lock):
    return os.path.join(HERE, lock + ".lock")


if __name__ == "__main__":
    main()
