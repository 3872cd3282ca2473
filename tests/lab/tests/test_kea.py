import json
import re
from pathlib import Path

from steelyard_lab import kea


def test_kea_reads_what_steelyard_writes_and_is_told_at_the_socket_that_steelyard_knows(tmp_path: Path) -> None:
    files = tmp_path / "files"
    told = kea.settings(files)
    text = kea.configuration(files)

    assert re.findall(r'<\?include "([^"]+)"\?>', text) == [
        str(Path(told["STEELYARD_DHCP_DIR"], name))
        for name in ("steelyard-classes.json", "steelyard-reservations.json")
    ]
    dhcp = json.loads(re.sub(r'<\?include "[^"]+"\?>', "[]", text))["Dhcp4"]
    assert told["STEELYARD_KEA_CONTROL"] == f"unix:{dhcp['control-socket']['socket-name']}"
