"""Other programs' files, as those programs take them: which machines are in them, and what is not.

The samples are in ``tests/golden/migrate``; each was accepted by the program it is for.
"""

import os
import subprocess
from pathlib import Path

import pytest

from netboot.errors import ConfigError
from netboot.migrate.files import Files, Source
from netboot.migrate.formats import READERS, Format, detect, read
from netboot.migrate.found import Machine, Reading

SAMPLES = Path(__file__).parent / "golden" / "migrate"
FOLDERS = {
    Format.DNSMASQ: "dnsmasq",
    Format.ISC: "isc",
    Format.KEA: "kea",
    Format.PXELINUX: "pxelinux.cfg",
    Format.MATCHBOX: "matchbox",
    Format.METAL3: "metal3",
    Format.AGENT_CONFIG: "agent-config",
}


def reading(kind: Format) -> Reading:
    files = Files()
    return read(kind, files.given(SAMPLES / FOLDERS[kind]), files)


def text(kind: Format, written: str) -> Reading:
    """The reading of one file's text."""
    return READERS[kind]([Source("file", written)], Files())


def known_by(machine: Machine) -> list[str]:
    return [one for one in (*machine.macs, machine.uuid, machine.serial) if one]


def found(read_: Reading) -> dict[str, list[str]]:
    """What each machine is called there, or its place, and what it is known by."""
    return {
        one.name or one.hostname or Path(str(one.place)).name: known_by(one)
        for one in read_.machines
    }


def unread(read_: Reading) -> list[tuple[str, str]]:
    """Where and what was not understood."""
    places = (f"{Path(note.place.file).name}:{note.place.line}" for note in read_.notes)
    return [(place, note.what) for place, note in zip(places, read_.notes, strict=True)]


@pytest.mark.parametrize(("kind", "folder"), FOLDERS.items())
def test_every_sample_is_told_by_what_is_in_it(kind: Format, folder: str) -> None:
    assert detect(Files().given(SAMPLES / folder), folder) is kind
    for path in (SAMPLES / folder).iterdir():
        alone = Files().given(path)
        if path.name not in {"default", "0A4D00", "default.json", "more.conf"}:
            assert detect(alone, path.name) is kind, path


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("- {name: n1}", Format.NETBOOT),
        ("# mine\n---\n\n-\n  name: n1", Format.NETBOOT),
        ('[{"name": "n1"}]', Format.NETBOOT),
        ("52:54:00:00:00:01,web1\n", Format.DNSMASQ),
        ("host a { hardware ethernet 52:54:00:00:00:01; }", Format.ISC),
        ('// ours\n{ "reservations": [] }', Format.KEA),
        ("LABEL a\n KERNEL b\n", Format.PXELINUX),
    ],
)
def test_a_format_is_told(written: str, kind: Format) -> None:
    assert detect([Source("file", written)], "file") is kind


@pytest.mark.parametrize("written", ["", "x: 1", "hello", "{}", "\0\0"])
def test_what_is_in_no_format_is_an_error_that_says_what_was_looked_for(written: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^file: is in no format .*kind: BareMetalHost.*--format"
    ):
        detect([Source("file", written)], "file")


def test_a_folder_of_two_formats_is_an_error() -> None:
    both = [Source("a", "dhcp-host=x"), Source("b", "subnet 1 netmask 2 { }")]
    with pytest.raises(ConfigError, match=r"several formats: dnsmasq \(a\), isc \(b\)"):
        detect(both, "folder")


class TestDnsmasq:
    def test_every_form_of_dhcp_host(self) -> None:
        assert found(reading(Format.DNSMASQ)) == {
            "rack2-1": ["52:54:00:00:02:01"],
            "rack2-2": ["52:54:00:00:02:02"],
            "hosts:4": ["52:54:00:00:01:01"],
            "web1": ["52:54:00:00:01:01"],
            "db1": ["52:54:00:00:01:02", "52:54:00:00:01:03"],
            "Compute_01": ["52:54:00:00:01:04"],
            "printer.lab.example": ["52:54:00:00:01:05"],
            "lab.conf:11": ["52:54:00:00:01:06"],
            "lab.conf:17": ["52:54:00:00:01:09"],
        }

    def test_what_names_no_machine_is_said_by_line(self) -> None:
        lines = [place for place, _ in unread(reading(Format.DNSMASQ))]
        assert lines == [
            *("lab.conf:2", "lab.conf:3", "lab.conf:4", "lab.conf:5"),  # the server's own
            *("lab.conf:12", "lab.conf:12"),  # a client identifier alone
            *("lab.conf:13", "lab.conf:13"),  # Token Ring
            *("lab.conf:14", "lab.conf:14"),  # a pattern
            *("lab.conf:15", "lab.conf:16"),  # ignored; a name alone
            *("lab.conf:18", "lab.conf:18"),  # a pattern's tag
            *("lab.conf:19", "lab.conf:20"),  # dhcp-boot
        ]

    def test_tags_lead_to_what_is_booted(self) -> None:
        compute = next(one for one in reading(Format.DNSMASQ).machines if one.name == "Compute_01")
        assert compute.boots == ("ipxe/compute.efi", "compute", "rack-a")
        assert compute.labels == {"tag/compute": "yes", "tag/rack-a": "yes"}

    def test_addresses_and_lease_times_stay_with_the_server(self) -> None:
        stays = reading(Format.DNSMASQ).stays
        assert stays == {"reserved addresses": 10, "lease times": 2}

    def test_a_hosts_file_and_a_folder_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("52:54:00:00:00:01,a\n")
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "x.conf").write_text("dhcp-host=52:54:00:00:00:02,b\n")
        (tmp_path / "d" / "x.old").write_text("dhcp-host=52:54:00:00:00:03,c\n")
        main = tmp_path / "main.conf"
        main.write_text("dhcp-hostsfile=hosts\nconf-dir=d,*.conf\nconf-file=/nowhere/gone\n")
        files = Files()
        read_ = read(Format.DNSMASQ, files.given(main), files)
        assert [*found(read_)] == ["a", "b"]
        assert unread(read_) == [("main.conf:3", "conf-file=/nowhere/gone")]


class TestIsc:
    def test_hosts_anywhere_and_members_of_classes(self) -> None:
        assert found(reading(Format.ISC)) == {
            "dhcpd.conf:8": ["52:54:00:00:03:09"],
            "web1": ["52:54:00:00:03:01"],
            "compute-01": ["52:54:00:00:03:02"],
            "Compute_02": ["52:54:00:00:03:03"],
            "by-uid": ["52:54:00:00:03:05"],
            "far": ["52:54:00:00:03:06"],
        }

    def test_the_innermost_filename_counts(self) -> None:
        boots = {one.name: one.boots for one in reading(Format.ISC).machines}
        assert boots["compute-01"] == ("ipxe/compute.efi",)
        assert boots["Compute_02"] == ("other.efi",)
        assert boots["web1"] == boots["far"] == ()

    def test_the_host_name_is_kept_beside_the_declarations(self) -> None:
        web1 = next(one for one in reading(Format.ISC).machines if one.name == "web1")
        assert web1.hostname == "www.lab.example"

    def test_what_is_not_understood(self) -> None:
        said = unread(reading(Format.ISC))
        assert ("dhcpd.conf:29", "deny") not in said
        assert ("dhcpd.conf:29", "deny booting") in said
        assert ("dhcpd.conf:32", "host by-client") in said
        assert ("dhcpd.conf:7", "class") in said

    def test_an_include_is_read_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "in.conf").write_text("host a { hardware ethernet 52:54:00:00:00:01; }")
        main = tmp_path / "dhcpd.conf"
        main.write_text('group { filename "x.efi"; include "in.conf"; include "dhcpd.conf"; }')
        files = Files()
        (machine,) = read(Format.ISC, files.given(main), files).machines
        assert machine.boots == ("x.efi",)

    @pytest.mark.parametrize(
        ("written", "problem"),
        [
            ("host a {\n", r"^file:1: .*never closed"),
            ("\nhost a { } }\n", r"^file:2: .*closes nothing"),
            ('host "a\n', r"^file:1: .*quote is never closed"),
            ("a {" * 60 + "}" * 60, "more than 50 levels"),
        ],
    )
    def test_a_broken_file_is_an_error_with_its_line(self, written: str, problem: str) -> None:
        with pytest.raises(ConfigError, match=problem):
            text(Format.ISC, written)

    def test_no_secret_is_repeated(self) -> None:
        said = text(Format.ISC, 'key k { algorithm x; secret "hunter2"; }\nomapi-key hunter2;')
        assert "hunter2" not in str(said)


class TestKea:
    def test_global_shared_and_subnet_reservations(self) -> None:
        assert found(reading(Format.KEA)) == {
            "web1": ["52:54:00:00:04:01"],
            "compute-01.lab.example": ["52:54:00:00:04:02"],
            "kea-dhcp4.json:39": ["52:54:00:00:04:03"],
            "compute_02": ["52:54:00:00:04:04"],
        }

    def test_a_class_leads_to_what_is_booted(self) -> None:
        boots = {one.name: one.boots for one in reading(Format.KEA).machines}
        assert boots["compute-01.lab.example"] == ("ipxe/compute.efi", "compute")
        assert boots["compute_02"] == ("other.efi",)

    def test_what_is_not_understood(self) -> None:
        said = unread(reading(Format.KEA))
        assert said[-2:] == [
            ("kea-dhcp4.json:46", "client-id"),
            ("kea-dhcp4.json:46", "reservation laptop"),
        ]
        assert ("kea-dhcp4.json:5", "lease-database") in said

    def test_an_include_of_reservations_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "r.json").write_text('[{"hw-address": "52:54:00:00:00:01"}]')
        main = tmp_path / "kea.json"
        main.write_text('{"Dhcp4": {"reservations": <?include "r.json"?>}}')
        files = Files()
        (machine,) = read(Format.KEA, files.given(main), files).machines
        assert machine.place.file == str(tmp_path / "r.json")

    @pytest.mark.parametrize(
        "written",
        ["", "{", '{"a" 1}', '{"a": }', "{,}", "[1 2]", "{]", '{"a":1} 2', '{"a":1,"a":2}'],
    )
    def test_what_is_no_json_is_an_error(self, written: str) -> None:
        with pytest.raises(ConfigError, match=r"^file:1: "):
            text(Format.KEA, written)

    def test_depth_is_bounded(self) -> None:
        with pytest.raises(ConfigError, match="more than 50 levels"):
            text(Format.KEA, "[" * 100_000)


class TestPxelinux:
    def test_the_name_of_a_file_is_who_it_is_for(self) -> None:
        assert found(reading(Format.PXELINUX)) == {
            "web1": ["52:54:00:00:05:01"],
            "4c4c4544-004d-3510-8052-b4c04f4a3132:1": ["4c4c4544-004d-3510-8052-b4c04f4a3132"],
        }

    def test_the_default_label_is_what_is_booted(self) -> None:
        first, second = reading(Format.PXELINUX).machines
        assert first.boots == ("debian", "debian/linux")
        assert second.boots == ("local", "localboot")

    def test_files_of_no_machine_and_every_line_are_said(self) -> None:
        assert unread(reading(Format.PXELINUX)) == [
            ("01-52-54-00-00-05-01:2", "prompt"),
            ("01-52-54-00-00-05-01:4", "debian kernel"),
            ("01-52-54-00-00-05-01:5", "debian append"),
            ("01-52-54-00-00-05-01:7", "memtest kernel"),
            ("0A4D00:1", "0A4D00"),
            ("4c4c4544-004d-3510-8052-b4c04f4a3132:2", "local localboot"),
            ("default:1", "default"),
        ]


class TestMatchbox:
    def test_groups_that_select_one_machine(self) -> None:
        assert found(reading(Format.MATCHBOX)) == {
            "node1": ["52:54:00:00:06:01"],
            "node2": ["4c4c4544-004d-3510-8052-b4c04f4a3133", "CZ2"],
        }

    def test_metadata_are_variables_but_no_static_address(self) -> None:
        node1 = reading(Format.MATCHBOX).machines[0]
        assert node1.vars == {"domain_name": "node1.lab.example"}
        assert node1.boots == ("worker",)

    def test_what_is_not_understood(self) -> None:
        assert unread(reading(Format.MATCHBOX)) == [
            ("default.json:1", "group default"),
            ("node1.json:5", "selector.os"),
            ("node1.json:8", "metadata.ip"),
            ("node1.json:9", "metadata.ssh_authorized_keys"),
        ]


class TestMetal3:
    def test_hosts_with_their_labels_and_disk(self) -> None:
        (host,) = reading(Format.METAL3).machines
        assert (host.name, known_by(host)) == ("node-0", ["52:54:00:00:07:01"])
        assert host.labels == {"topology.kubernetes.io/zone": "lab a"}
        assert host.vars == {"disk": "/dev/nvme0n1"}

    def test_bmcs_are_kept_for_later_and_secrets_are_not_read(self) -> None:
        read_ = reading(Format.METAL3)
        said = dict(unread(read_))
        assert said["hosts.yaml:20"] == "bmc.credentialsName: node-0-bmc"
        assert said["hosts.yaml:34"] == "bmc.address: ipmi://10.77.1.11"
        assert said["hosts.yaml:2"] == "Secret node-0-bmc"
        assert "bm90LXNob3du" not in str(read_)

    def test_a_password_in_an_address_is_left_out(self) -> None:
        bmc = "bmc: {address: 'redfish://root:hunter2@10.0.0.1/x'}"
        said = text(Format.METAL3, f"kind: BareMetalHost\nspec:\n  {bmc}\n")
        assert "hunter2" not in str(said)
        assert "redfish://10.0.0.1/x" in str(said)

    def test_what_kubectl_prints_is_a_list(self) -> None:
        host = (
            "{kind: BareMetalHost, metadata: {name: a}, spec: {bootMACAddress: 52-54-00-00-00-01}}"
        )
        assert [*found(text(Format.METAL3, f"kind: List\nitems: [{host}]"))] == ["a"]


class TestAgentConfig:
    def test_a_static_address_is_the_machines_own(self) -> None:
        first, second = reading(Format.AGENT_CONFIG).machines
        assert known_by(first) == ["52:54:00:00:08:01", "52:54:00:00:08:02"]
        assert first.vars == {
            "disk": "/dev/sda",
            "ip": "10.77.0.80/24",
            "gateway": "10.77.0.1",
            "nameservers": "10.77.0.1",
        }
        assert first.labels == {"role": "master"}
        assert second.vars == {}

    def test_a_bond_is_not_understood(self) -> None:
        assert unread(reading(Format.AGENT_CONFIG)) == [
            ("agent-config.yaml:5", "rendezvousIP"),
            ("agent-config.yaml:42", "networkConfig bond0"),
        ]

    @pytest.mark.parametrize(
        "written", ["a: &x 1", "a: !t 1", "a: {", "a: 1\na: 2", "? {b: 1}\n: 2"]
    )
    def test_what_is_not_taken_of_yaml_is_an_error(self, written: str) -> None:
        with pytest.raises(ConfigError, match=r"^file:\d+: "):
            text(Format.AGENT_CONFIG, written)


class TestFiles:
    def test_left_over_files_and_folders_are_said_to_be_passed_over(self, tmp_path: Path) -> None:
        for name in ("a.conf", "a.conf~", ".a.swp", "a.conf.dpkg-old"):
            (tmp_path / name).write_text("dhcp-host=52:54:00:00:00:01,a\n")
        (tmp_path / "more").mkdir()
        files = Files()
        read_ = read(Format.DNSMASQ, files.given(tmp_path), files)
        assert len(read_.machines) == 1
        assert {Path(note.place.file).name for note in read_.notes} == {
            *("a.conf~", ".a.swp", "a.conf.dpkg-old", "more"),
        }

    def test_too_many_files_and_bytes_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in "abc":
            (tmp_path / name).write_text("x" * 100)
        monkeypatch.setattr("netboot.migrate.files.MAX_FILES", 2)
        with pytest.raises(ConfigError, match="one file too many; 2 is the most"):
            Files().given(tmp_path)
        monkeypatch.setattr("netboot.migrate.files.MAX_FILES", 3)
        monkeypatch.setattr("netboot.migrate.files.MAX_BYTES", 250)
        with pytest.raises(ConfigError, match="in all"):
            Files().given(tmp_path)

    def test_a_pipe_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigError, match="is no regular file"):
            Files().given(tmp_path / "pipe")

    def test_includes_end(self, tmp_path: Path) -> None:
        for number in range(20):
            (tmp_path / f"{number}").write_text(f"conf-file={number + 1}\n")
        files = Files()
        read_ = read(Format.DNSMASQ, files.given(tmp_path / "0"), files)
        assert [note.why for note in read_.notes] == ["is inside more than 8 files"]


class TestSamplesAreReal:
    """The very programs accept the samples; the others' formats have no checker here."""

    def accepted(self, folder: Path, *command: str | Path, cwd: Path = SAMPLES) -> None:
        env = {**os.environ, "KEA_LOCKFILE_DIR": str(folder), "KEA_PIDFILE_DIR": str(folder)}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=env, cwd=cwd
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_dnsmasq(self, tmp_path: Path) -> None:
        folder = SAMPLES / "dnsmasq"
        hosts = f"--dhcp-hostsfile={folder / 'hosts'}"
        self.accepted(tmp_path, "dnsmasq", "--test", "-C", folder / "lab.conf", hosts)

    def test_isc(self, tmp_path: Path) -> None:
        self.accepted(tmp_path, "dhcpd", "-t", "-cf", "dhcpd.conf", cwd=SAMPLES / "isc")

    def test_kea(self, tmp_path: Path) -> None:
        self.accepted(tmp_path, "kea-dhcp4", "-t", SAMPLES / "kea" / "kea-dhcp4.json")
