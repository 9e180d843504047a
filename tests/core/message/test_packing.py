from __future__ import annotations

from threading import Thread

import msgpack
import pytest

from civitas.message.packing import packing


@pytest.mark.parametrize("value", [(1, "a", b"b", None), {"a": [True, 2.5]}, b"x" * 300_000])
def test_a_value_is_packed_as_msgpack_does_it(value: object) -> None:
    pack = packing()

    assert [pack(value), pack(value)] == [msgpack.packb(value)] * 2


def test_the_options_hold_for_each_value() -> None:
    pack = packing(unicode_errors="surrogatepass")

    assert {pack("\ud800") for _ in range(3)} == {
        msgpack.packb("\ud800", unicode_errors="surrogatepass")
    }


def test_nothing_of_a_value_that_cannot_be_packed_is_left_for_the_next() -> None:
    pack = packing()
    pack(1)

    with pytest.raises(TypeError):
        pack(["begun", object()])

    assert pack(2) == msgpack.packb(2)


def test_threads_do_not_mix_what_they_pack() -> None:
    pack, wrong = packing(), list[object]()

    def some(value: object) -> None:
        wrong.extend(value for _ in range(500) if pack(value) != msgpack.packb(value))

    threads = [Thread(target=some, args=([n, "x" * n],)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert wrong == []
