"""The list of what cannot be decided: complete, paged, of one tenant, with the reason."""

from hub.vulnerabilities.undecided import undecided_page
from tests.factories import person
from tests.hub.vulnerabilities.scene import Scene, fixed_in, fresh, record
from tests.schema.asking import ask, page, refusal

WHY = "the version: not a version of PEP 440"


async def odd_versions(scene: Scene, count: int) -> tuple[str, str]:
    """Install odd versions of one package that a record names; return its name and the record."""
    name = fresh()
    known = record("PyPI", name, fixed_in("2.0"))
    for number in range(count):
        await scene.host(f"web-{number}", ("PyPI", name, f"odd!{number}"))
    await scene.host("web-twin", ("PyPI", name, "odd!0"))
    await scene.publish(known)
    return name, known["id"]


async def test_each_undecided_version_is_listed_with_why_and_where(scene: Scene) -> None:
    name, advisory = await odd_versions(scene, 2)
    answer = await ask(
        scene.database, person(scene.tenant), page("dashboard_undecided"), package=name
    )
    assert answer["totalCount"] == 2
    first, second = answer["nodes"]
    assert first == {
        "id": advisory,
        "package": name,
        "ecosystem": "PyPI",
        "version": "odd!0",
        "reason": WHY,
        "affectedHosts": 2,
        "firstHosts": ["web-0", "web-twin"],
    }
    assert (second["version"], second["affectedHosts"]) == ("odd!1", 1)


async def test_pages_hold_every_pair_once(scene: Scene) -> None:
    name, _ = await odd_versions(scene, 5)
    seen, after = [], None
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        while True:
            found = await undecided_page(session, package=name, first=2, after=after)
            assert found.total == 5
            seen += [row.version for row in found.rows]
            if not found.has_next:
                break
            after = found.rows[-1].cursor
    assert seen == [f"odd!{number}" for number in range(5)]


async def test_another_tenant_sees_none_of_it(scene: Scene, other_tenant: object) -> None:
    name, _ = await odd_versions(scene, 1)
    answer = await ask(
        scene.database,
        person(other_tenant),  # type: ignore[arg-type]
        page("dashboard_undecided"),
        package=name,
    )
    assert (answer["totalCount"], answer["nodes"]) == (0, [])


async def test_a_cursor_of_another_list_is_refused_by_name(scene: Scene) -> None:
    error = await refusal(
        scene.database, person(scene.tenant), page("dashboard_undecided"), after="nonsense"
    )
    assert (error["code"], error["field"]) == ("INVALID_INPUT", "after")
