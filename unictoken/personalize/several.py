"""Several concepts on one base: who is introduced is chosen for each query, by name or by sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unictoken.core.text import ConceptError
from unictoken.data.concept import Concept
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.features import Referring
from unictoken.personalize.query import Personalization, Query


class Several:
    """Everything that is put on a base together.

    One alone answers every query as it does. Of several a query introduces those that its text
    names, so that what is said of one is what is said with it alone. Where the text names none:

    - a question about a picture introduces those that are recognised in it
    - a question without a picture: all of them
    - a prompt for a drawing: none, as the base alone draws it

    Members without a name, such as a user's profile, get every query as it is.

    Args:
        base: What they are put on.
        members: Concepts, memories, profiles and so on; a name belongs to one of them.
    """

    def __init__(self, base: Base, members: Sequence[Personalization]):
        self.base, self.members = base, tuple(members)
        names = self.names
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConceptError(f"two concepts are named '{twice}'. Give each its own name.")
        if not members:
            raise ConceptError("no concept is given. Expected at least one.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for member in self.members for name in member.names)

    def reference(self, name: str) -> Concept | None:
        """What its member knows of a concept, where that member says it."""
        member = next((member for member in self.members if name in member.names), None)
        return member.reference(name) if isinstance(member, Referring) else None

    def conditions(self, queries: Sequence[Query]) -> Sequence[Condition]:
        if len(self.members) == 1:
            return self.members[0].conditions(queries)
        passed = [self._passed_on(query) for query in queries]
        found: list[list[Condition]] = [[] for _ in queries]
        for member in self.members:
            own = set(member.names)
            places = [i for i, (_, names) in enumerate(passed) if not own or own & set(names)]
            asked = [passed[i][0] if own else queries[i] for i in places]
            given = member.conditions(asked) if places else ()
            for i, condition in zip(places, given, strict=True):
                found[i].append(condition)
        return [together(self.base, each) for each in found]

    def _passed_on(self, query: Query) -> tuple[Query, tuple[str, ...]]:
        """A query as members get it, and the names of those whose members do."""
        names = self.names
        if named := query.named(names):
            return query, named
        if query.wanted in ("answer", "names") and query.image_ids:
            return replace(query, wanted="names"), names
        return query, names if query.wanted == "answer" else ()
