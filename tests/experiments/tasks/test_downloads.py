"""A silent server is given up and the setting of the process put back; an archive writes into its folder alone."""

import io
import socket
import tarfile

import pytest

from experiments.tasks.downloads import connection_timeout, unpack


@pytest.fixture(params=[None, 7.0])
def before(request):
    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(request.param)
    yield request.param
    socket.setdefaulttimeout(usual)


def test_sockets_wait_some_seconds_inside_and_as_before_outside(before):
    with connection_timeout():
        assert 0 < socket.getdefaulttimeout() < 60
    assert socket.getdefaulttimeout() == before


def test_a_failed_download_puts_the_setting_back(before):
    with pytest.raises(OSError), connection_timeout():
        raise OSError
    assert socket.getdefaulttimeout() == before


def archive(file, *members):
    with tarfile.open(file, "w:gz") as content:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 3 * (kind == tarfile.REGTYPE)
            content.addfile(member, io.BytesIO(b"abc"))
    return file


def test_an_archive_is_unpacked(tmp_path):
    unpack(archive(tmp_path / "a.tgz", ("b/c.jpg", tarfile.REGTYPE, "")), tmp_path / "folder")
    assert (tmp_path / "folder" / "b" / "c.jpg").read_bytes() == b"abc"


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc"),
        ("link", tarfile.SYMTYPE, "../outside"),
        ("pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(tmp_path, member):
    with pytest.raises(OSError, match=r"a\.tgz cannot be unpacked"):
        unpack(archive(tmp_path / "a.tgz", member), tmp_path / "folder")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_a_damaged_archive_is_refused(tmp_path, kept):
    file = archive(tmp_path / "a.tgz", *((f"{number}.jpg", tarfile.REGTYPE, "") for number in range(50)))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(OSError, match=r"a\.tgz cannot be unpacked"):
        unpack(file, tmp_path / "folder")
