"""`imports/`: a file goes in, is mapped, checked, written and taken back, as on the pages."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from crm.actions import customfields
from crm.models import Company, Import, Lead, User
from tests.crm.api.caller import API, Api, attrs, code
from tests.factories import SHELL, LeadFactory

pytestmark = pytest.mark.django_db

CSV = b"First name,Last name,Email,Colour\nAda,One,ada@one.test,red\nBob,Two,not an address,blue\n"


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path


def upload(api: Api, content: bytes = CSV, *, name: str = "people.csv", **fields: str) -> Any:
    file = BytesIO(content)
    file.name = name
    return api.client.post(f"{API}imports/", {"file": file, **fields})


def test_a_file_is_taken_in_and_its_columns_are_known(api: Api) -> None:
    made = upload(api)
    assert made.status_code == 201, made.content
    shown = made.json()
    assert (shown["file_name"], shown["state"], shown["total"]) == ("people.csv", "mapping", 2)
    assert [column["field"] for column in shown["columns"]] == ["first_name", "last_name", "email", ""]
    assert api.get(f"imports/{shown['id']}/").json() == shown
    assert not Lead.objects.exists()


def test_checked_then_written_then_taken_back(api: Api) -> None:
    pk = upload(api).json()["id"]
    checked = api.post(f"imports/{pk}/check/", {"source": "Fair"}).json()
    assert (checked["state"], checked["created"], checked["failed"]) == ("checked", 1, 1)
    assert not Lead.objects.exists()
    run = api.post(f"imports/{pk}/run/").json()
    assert (run["state"], run["created"], run["failed"], run["can_undo"]) == ("done", 1, 1, True)
    assert (Lead.objects.get().first_name, Lead.objects.get().source) == ("Ada", "Fair")
    undone = api.post(f"imports/{pk}/undo/").json()
    assert (undone["state"], undone["can_undo"]) == ("undone", False)
    assert not Lead.objects.current().exists()


def test_the_mapping_can_be_said(api: Api) -> None:
    pk = upload(api).json()["id"]
    mapping = ["first_name", "last_name", "", ""]
    checked = api.post(f"imports/{pk}/check/", {"mapping": mapping, "on_match": "skip"}).json()
    assert [column["field"] for column in checked["columns"]] == mapping
    assert (checked["created"], checked["failed"], checked["on_match"]) == (2, 0, "skip")


def test_columns_go_to_fields_of_one_s_own(api: Api, company: Company) -> None:
    customfields.add_field(company, {"entity": "lead", "name": "Colour", "kind": "text"}, SHELL)
    made = upload(api).json()
    mapping = [column["field"] for column in made["columns"]]
    assert mapping == ["first_name", "last_name", "email", "cf_colour"]
    answer = api.post(f"imports/{made['id']}/check/", {"mapping": mapping})
    assert answer.status_code == 200, answer.content
    api.post(f"imports/{made['id']}/run/")
    assert Lead.objects.get().custom == {"colour": "red"}
    assert attrs(
        api.post(f"imports/{upload(api).json()['id']}/check/", {"mapping": ["", "", "", "cf_no"]})
    ) == ["mapping.3"]


@pytest.mark.parametrize(
    ("wrong", "attr"),
    [
        ({"mapping": ["email"]}, "mapping"),
        ({"mapping": ["email", "email", "", ""]}, "mapping"),
        ({"mapping": ["colour", "", "", ""]}, "mapping.0"),
        ({"mapping": ["", "", "", ""]}, "mapping"),
        ({"status": "nowhere"}, "status"),
        ({"owner": "stranger@umbrella.test"}, "owner"),
        ({"on_match": "guess"}, "on_match"),
        ({"report": True}, "report"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(api: Api, wrong: dict[str, object], attr: str) -> None:
    pk = upload(api).json()["id"]
    assert attrs(api.post(f"imports/{pk}/check/", wrong)) == [attr]
    assert Import.objects.get().state == "mapping"


def test_each_row_has_a_result(api: Api) -> None:
    pk = upload(api).json()["id"]
    api.post(f"imports/{pk}/check/", {})
    api.post(f"imports/{pk}/run/", {"report": False})
    rows = api.get(f"imports/{pk}/rows/").json()["results"]
    assert [(row["outcome"], row["lead"]) for row in rows] == [
        ("created", str(Lead.objects.get().pk)),
        ("failed", None),
    ]
    assert rows[1]["reason"]
    failed = api.get(f"imports/{pk}/rows/?outcome=failed").json()["results"]
    assert [row["number"] for row in failed] == [rows[1]["number"]]


def test_a_file_that_cannot_be_read_is_refused_and_leaves_nothing(api: Api) -> None:
    assert attrs(upload(api, b'First name,Last name\n"Ada,One\n')) == ["file"]
    assert attrs(api.client.post(f"{API}imports/", {})) == ["file"]
    assert not Import.objects.exists()


def test_it_takes_a_form_with_a_file_not_json(api: Api) -> None:
    assert code(api.post("imports/", {"file": "people.csv"}), 415) == "unsupported_media_type"


def test_a_form_with_more_than_a_file_is_refused(api: Api) -> None:
    assert attrs(upload(api, colour="red")) == ["colour"]


def test_a_repeat_with_its_key_takes_the_file_in_once(api: Api) -> None:
    def send(content: bytes) -> Any:
        file = BytesIO(content)
        file.name = "people.csv"
        return api.client.post(f"{API}imports/", {"file": file}, headers={"Idempotency-Key": "file-1"})

    first, again = send(CSV), send(CSV)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert code(send(CSV + b"Cid,Three,cid@three.test,\n"), 409) == "key_reused"
    assert Import.objects.count() == 1


def test_the_file_can_be_read_in_another_way(api: Api) -> None:
    made = upload(api, "Vorname;Nachname\nJörg;Groß\n".encode("cp1252")).json()
    read = api.post(
        f"imports/{made['id']}/read/", {"encoding": "cp1252", "delimiter": ";", "has_header": False}
    )
    assert read.status_code == 200, read.content
    assert (read.json()["has_header"], read.json()["total"]) == (False, 2)
    assert attrs(api.post(f"imports/{made['id']}/read/", {"delimiter": "x"})) == ["delimiter"]


def test_settings_are_taken_over_from_an_earlier_import(api: Api) -> None:
    first = upload(api).json()["id"]
    api.post(f"imports/{first}/check/", {"mapping": ["first_name", "last_name", "email", "title"]})
    again = upload(api, CSV, like=first).json()
    assert [column["field"] for column in again["columns"]][3] == "title"
    assert attrs(upload(api, CSV, like="nothing")) == ["like"]


@pytest.mark.parametrize("step", ["run", "stop", "undo"])
def test_a_step_out_of_order_is_a_contradiction(api: Api, step: str) -> None:
    pk = upload(api).json()["id"]
    assert code(api.post(f"imports/{pk}/{step}/"), 409)


def test_a_row_about_somebody_known_fills_blanks(api: Api, company: Company) -> None:
    LeadFactory(company=company, first_name="Ada", last_name="", email="ada@one.test")
    pk = upload(api).json()["id"]
    api.post(f"imports/{pk}/check/", {"on_match": "fill"})
    assert api.post(f"imports/{pk}/run/").json()["updated"] == 1


def test_an_agent_sees_their_own_imports_and_a_reader_begins_none(
    company: Company,
    owner: User,
    agent: User,
    api: Api,
    caller_of: Callable[..., Api],
    session_of: Callable[[User], Api],
) -> None:
    theirs = upload(api).json()["id"]
    bob = session_of(agent)
    mine = upload(bob).json()
    assert [one["id"] for one in bob.get("imports/").json()["results"]] == [mine["id"]]
    assert bob.get(f"imports/{theirs}/rows/").status_code == 404
    assert attrs(bob.post(f"imports/{mine['id']}/check/", {"owner": "alice@acme.test"})) == ["owner"]
    assert code(upload(caller_of(company, "read")), 403) == "permission_denied"
