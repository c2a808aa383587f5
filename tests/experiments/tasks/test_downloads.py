"""A silent server is given up, and the setting of the process put back."""

import socket

import pytest

from experiments.tasks.downloads import connection_timeout


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
