"""Disks that fill up: a small file system, and a limit on the size of files, which needs no permission."""

import contextlib
import resource
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(folder, limits):
    """Mounts a file system with limits, such as "size=120k", in a new folder; skips the test if this user may not."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("this user cannot mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=20m,nr_inodes=10k", folder], check=True)


@contextlib.contextmanager
def files_of_at_most(num_bytes):
    """Files cannot grow beyond a size: writes fail as on a full disk ("File too large"), in all threads."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
