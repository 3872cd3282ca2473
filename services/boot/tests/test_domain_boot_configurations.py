"""Boot configurations in three languages, read back as their loaders read them."""

from __future__ import annotations

import shlex
import shutil
import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_boot.domain import grub, ipxe, kernel_arguments, pxelinux
from steelyard_boot.domain.boot_model import BootModel, Chap, Drive, File, Purpose
from steelyard_common.errors import InvalidRequest, Unsupported

from services.boot.tests.ipxe_reader import Machine

BOOT = "6d1ff4b0-7f0e-4b7c-9a3d-111111111111"
KERNEL, RAMDISK = File(url="http://b:80/artifacts/aa/kernel"), File(url="http://b:80/artifacts/bb/ramdisk?x=1&y=2")
TROUBLE = f"/ipxe/trouble?boot={BOOT}"
words = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), min_size=1, max_size=40)
plain = st.text(string.ascii_letters + string.digits + "=,./:_-+@%$&|;#*?!~(){}[]<>^ ", min_size=1, max_size=40)


def model(*arguments: str, **more: object) -> BootModel:
    given = {"boot_id": BOOT, "purpose": Purpose.DEPLOY, "kernel": KERNEL, "ramdisk": RAMDISK, "arguments": arguments}
    return BootModel(**(given | more))  # type: ignore[arg-type]


def carried(arguments: list[str]) -> BootModel | None:
    """None when they are refused."""
    try:
        return model(*arguments)
    except InvalidRequest:
        return None


def place(file: File) -> str:
    return file.url


def kernel_reads(line: str) -> list[str]:
    """As lib/cmdline.c next_arg cuts: blanks part, double quotes keep together and go."""
    found, word, quoted = [], "", False
    for char in line:
        if char == '"':
            quoted = not quoted
        elif char == " " and not quoted:
            found += [word] if word else []
            word = ""
        else:
            word += char
    return found + ([word] if word else [])


@given(st.lists(st.one_of(words, plain), max_size=6))
def test_whatever_is_not_refused_reaches_the_kernel_unchanged_by_ipxe(arguments: list[str]) -> None:
    made = carried(arguments)
    if made is None:
        return
    machine = Machine()

    assert machine.run(ipxe.script(made, place, TROUBLE)) == "boot"

    kernels = [words for words in machine.log if words[0] == "kernel"]
    assert len(kernels) == 1
    assert kernels[0][:5] == ["kernel", "--name", "kernel", KERNEL.url, "initrd=ramdisk"]
    assert kernel_reads(" ".join(kernels[0][5:])) == arguments


@given(st.lists(st.one_of(words, plain), max_size=6))
def test_whatever_is_not_refused_reaches_the_kernel_unchanged_by_grub(arguments: list[str]) -> None:
    made = carried(arguments)
    if made is None:
        return

    lines = grub.config(made, place).splitlines()

    linux = next(line.strip() for line in lines if line.startswith("    if linux "))
    assert shlex.split(linux.removeprefix("if ").removesuffix("; then")) == ["linux", KERNEL.url, *arguments]
    assert [line.split()[0] for line in lines if line.strip() not in ("", "}") and line[0] != "#"] == [
        "set", "set", "menuentry", "for", "if", "if", "boot", "fi", "fi", "echo", "sleep", "done", "echo", "sleep",
        "reboot",
    ]  # fmt: skip


@given(st.lists(st.one_of(words, plain), max_size=6))
def test_whatever_is_not_refused_reaches_the_kernel_unchanged_by_pxelinux(arguments: list[str]) -> None:
    made = carried(arguments)
    if made is None:
        return

    read = dict(line.strip().partition(" ")[::2] for line in pxelinux.config(made, place).splitlines())

    assert read["KERNEL"] == KERNEL.url
    assert kernel_reads(read.get("APPEND", "")) == arguments
    assert set(read) <= {"#", "PROMPT", "TIMEOUT", "DEFAULT", "LABEL", "KERNEL", "INITRD", "APPEND"}


@pytest.mark.parametrize(
    "argument",
    ["a\nboot", "a\rb", "x=${net0/mac}", "a || reboot", "x=1 && reboot", "x=a ; exit", "x=# b # c", "x='1'",
     'x="1"', "x=\\", "x=a #b", "#x", "", " a", "x=a  b", "two words", "é=1", "x=\x00", "x=`id`"],
)  # fmt: skip
def test_an_argument_that_a_loader_would_obey_is_refused_by_its_name(argument: str) -> None:
    with pytest.raises(InvalidRequest, match="kernel argument"):
        model(argument)


def test_the_value_of_a_refused_argument_is_not_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        model("password=it's-a-secret")

    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["http://b/x y", "http://b/${mac}", "http://b/a\nb", "http://b/'", "http://b/é"])
def test_an_address_that_is_no_single_word_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        model(kernel=File(url=url))


@pytest.mark.parametrize("word", ["two words", "a\nb", "${x}", "||", "-x"])
def test_a_user_of_a_volume_that_is_no_single_word_is_refused(word: str) -> None:
    with pytest.raises(InvalidRequest):
        model(
            kernel=None,
            ramdisk=None,
            drives=(Drive(urls=("iscsi:h::3260:1:iqn",)),),
            chap=Chap(username=word, password="p"),
        )


def test_a_script_tries_again_with_growing_sleep_says_where_it_failed_and_restarts_at_last() -> None:
    machine = Machine(settings={"errno": "2d:0c:61:3b"}, answers=lambda words: words[0] != "initrd")

    assert machine.run(ipxe.script(model(), place, TROUBLE)) == "reboot"

    assert [words[1] for words in machine.log if words[0] == "sleep"] == [*map(str, range(1, 10)), "30"]
    told = [words for words in machine.log if words[0] == "imgfetch"]
    assert len(told) == 10
    assert told[0][3] == f"{TROUBLE}&at=ramdisk&errno=2d-0c-61-3b", "no colon: iPXE would see a scheme"


def test_the_entry_asks_by_uuid_first_and_then_by_each_other_nic() -> None:
    machine = Machine(
        settings={"uuid": "u-1", "mac": "52:54:00:00:00:01", "net0/mac": "52:54:00:00:00:01",
                  "net1/mac": "52:54:00:00:00:02", "net2/mac": "52:54:00:00:00:03"},
        answers=lambda words: "52-54-00-00-00-03" in words[-1],
    )  # fmt: skip

    ended = machine.run(ipxe.entry())

    assert ended == "chain --autofree --replace ipxe?mac=52-54-00-00-00-03"
    assert [words[-1] for words in machine.log if words[0] == "chain"] == [
        "ipxe?uuid=u-1&mac=52-54-00-00-00-01", "ipxe?mac=52-54-00-00-00-02", "ipxe?mac=52-54-00-00-00-03",
    ]  # fmt: skip


def test_the_entry_of_a_machine_nobody_knows_says_what_to_do_waits_and_restarts() -> None:
    machine = Machine(settings={"uuid": "u-1", "mac": "m", "net0/mac": "m"}, answers=lambda words: words[0] != "chain")

    assert machine.run(ipxe.entry()) == "reboot"

    sleeps = [int(words[1]) for words in machine.log if words[0] == "sleep"]
    assert sleeps == [*range(1, 10), 180]
    assert any("Enrol" in words for words in machine.log)


@pytest.mark.parametrize(("platform", "end"), [("efi", "exit"), ("pcbios", "sanboot --no-describe --drive 0x80")])
def test_with_nothing_to_do_a_machine_boots_its_own_disk(platform: str, end: str) -> None:
    local = BootModel(boot_id=BOOT, purpose=Purpose.LOCAL)

    for script in (ipxe.script(local, place, TROUBLE), ipxe.nothing_to_do()):
        assert Machine(settings={"platform": platform}).run(script) == end


def test_volumes_are_hooked_in_order_by_all_their_portals_with_the_nodes_own_name() -> None:
    drives = (Drive(urls=("iscsi:a::3260:1:iqn.x", "iscsi:b::3260:1:iqn.x")), Drive(urls=("iscsi:a::3260:2:iqn.x",)))
    volume = model(
        kernel=None, ramdisk=None, purpose=Purpose.VOLUME, drives=drives, initiator="iqn.me",
        chap=Chap(username="u", password="p"), storage_macs=("52:54:00:00:00:02",),
    )  # fmt: skip
    machine = Machine(settings={"net0/mac": "52:54:00:00:00:01", "net1/mac": "52:54:00:00:00:02"})

    assert machine.run(ipxe.script(volume, place, TROUBLE)) == "sanboot --no-describe --drive 0x80"

    assert [words[2:] for words in machine.log if words[0] == "sanhook"] == [
        ["0x80", "iscsi:a::3260:1:iqn.x", "iscsi:b::3260:1:iqn.x"], ["0x81", "iscsi:a::3260:2:iqn.x"],
    ]  # fmt: skip
    assert ["dhcp", "net1"] in machine.log
    assert ["clear", "net1/gateway"] in machine.log
    assert (machine.settings["initiator-iqn"], machine.settings["username"], machine.settings["password"]) == (
        "iqn.me",
        "u",
        "p",
    )


@pytest.mark.parametrize("language", [grub, pxelinux])
def test_loaders_that_boot_no_iso_and_no_volume_say_what_to_use_instead(language: object) -> None:
    for other in ({"iso": File(url="http://b/i")}, {"drives": (Drive(urls=("iscsi:a::3260:1:iqn.x",)),)}):
        with pytest.raises(Unsupported, match="ipxe"):
            language.config(model(kernel=None, ramdisk=None, **other), place)  # type: ignore[attr-defined]


def test_grub_itself_takes_every_configuration(tmp_path: object) -> None:
    checker = shutil.which("grub-script-check") or shutil.which("grub2-script-check")
    if checker is None:
        pytest.skip("grub-script-check is not installed")
    texts = [grub.config(model("a=b c", "quiet", "x=$6$abc"), place), grub.LOCAL, grub.entry()]

    for text in texts:
        done = subprocess.run([checker], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_entry_of_grub_ends_with_the_nodes_own_configuration() -> None:
    lines = grub.entry().splitlines()

    assert lines[1] == 'if ! source "/grub.cfg-01-${net_default_mac}"; then'
    assert all(line.startswith("  ") for line in lines[2:-1])
    assert lines[-1] == "fi"


def test_grub_finds_others_files_by_their_host_ours_where_it_came_from_and_never_by_https() -> None:
    assert grub.over_http("/a/b?c=d") == "/a/b?c=d"
    assert grub.over_http("http://192.0.2.1:8080/a/b?c=d") == "(http,192.0.2.1:8080)/a/b?c=d"
    assert grub.over_http("http://[2001:db8::1]/a") == "(http,[2001:db8::1])/a"
    with pytest.raises(Unsupported, match="https"):
        grub.over_http("https://b/a")


def test_kernel_parameters_of_a_node_may_contain_the_sites() -> None:
    assert kernel_arguments.appended(None, "nofb quiet") == ("nofb", "quiet")
    assert kernel_arguments.appended("a %default% b", "nofb quiet") == ("a", "nofb", "quiet", "b")
    assert kernel_arguments.appended("", "nofb") == ()
    assert kernel_arguments.appended('x="a b" c', "") == ("x=a b", "c")
    with pytest.raises(InvalidRequest, match="never closed"):
        kernel_arguments.appended('x="a', "")


def test_a_model_is_the_same_after_it_was_kept() -> None:
    kept = model(
        "a=b", drives=(Drive(urls=("iscsi:a::3260:1:iqn.x",)),), chap=Chap(username="u", password="s"), names_nic=True
    )

    assert BootModel.from_dict(kept.to_dict()) == kept
    assert "'s'" not in repr(kept)
