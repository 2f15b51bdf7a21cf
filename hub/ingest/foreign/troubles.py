"""One trouble that another tool tells of, thought through: its periods, and its alert if open."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hub.alerts.commands import NewAlert
from hub.alerts.models import AlertCategory
from hub.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One period of one trouble, of a host that is known or of none."""

    source: str
    external_id: str
    agent_id: UUID | None
    category: AlertCategory
    severity: Severity
    title: str
    description: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def fingerprint(self) -> str:
        """What is one alert as long as it is open."""
        return f"{self.source}:{self.external_id}"

    @property
    def key(self) -> tuple[str, str, datetime]:
        """By what it is remembered."""
        return self.source, self.external_id, self.started_at

    @property
    def words(self) -> tuple[Severity, str, str]:
        """What may be told anew as long as it is open."""
        return self.severity, self.title, self.description


@dataclass(slots=True)
class KnownAlert:
    """An alert that is stored and open, or one that is to be stored."""

    id: UUID | None  # none yet: `period` says what it is about
    opened_at: datetime
    severity: Severity
    title: str
    description: str
    period: Period | None = None
    resolved_at: datetime | None = None
    has_new_words: bool = False

    @property
    def words(self) -> tuple[Severity, str, str]:
        """What may change as long as it is open."""
        return self.severity, self.title, self.description

    def reword(self, period: Period) -> bool:
        """Take the period's words; tell whether they are others."""
        if self.words == period.words:
            return False
        self.severity, self.title, self.description = period.words
        self.has_new_words = True
        return True


@dataclass(slots=True)
class KnownPeriod:
    """What is remembered of one period."""

    started_at: datetime
    ended_at: datetime | None
    alert_id: UUID | None
    alert: KnownAlert | None = None  # the one that it opened, while that is open
    is_new: bool = False
    is_told: bool = False

    def alert_id_of(self, opened: UUID | None) -> UUID | None:
        """Return the alert that it opened, which may have got its id only now."""
        if self.alert is None or self.alert.resolved_at is not None:
            return self.alert_id
        return self.alert.id or opened


@dataclass(slots=True)
class Trouble:
    """One trouble: of its periods several may be known, of its alerts one may be open."""

    source: str
    external_id: str
    periods: dict[datetime, KnownPeriod] = field(default_factory=dict)
    alert: KnownAlert | None = None
    touched: list[KnownAlert] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """What is one alert as long as it is open."""
        return f"{self.source}:{self.external_id}"

    @property
    def told(self) -> list[KnownPeriod]:
        """The periods of which there is something to be stored."""
        return [known for known in self.periods.values() if known.is_told]

    def take(self, period: Period) -> bool:
        """Take what is told of one of the periods; tell whether it changed anything."""
        known = self.periods.get(period.started_at)
        if known is None:
            return False  # it ended long ago, and is being forgotten just now
        if known.is_new:
            self._begin(known, period)
            return True
        if known.ended_at is not None:
            return False  # the end is known: nothing that comes later is news
        known.is_told = True
        if period.ended_at is None:
            return self._reword(known, period)
        known.ended_at = period.ended_at
        self._end(known, period.ended_at)
        return True

    def as_new(self, alert: KnownAlert) -> NewAlert:
        """Return an alert that is not stored yet."""
        period = alert.period
        assert period is not None  # noqa: S101 - what is not stored came with one
        return NewAlert(
            fingerprint=self.fingerprint,
            category=period.category,
            severity=alert.severity,
            title=alert.title,
            description=alert.description,
            agent_id=period.agent_id,
            source=self.source,
            opened_at=alert.opened_at,
            resolved_at=alert.resolved_at,
        )

    def _begin(self, known: KnownPeriod, period: Period) -> None:
        known.is_new, known.is_told = False, True
        known.ended_at = period.ended_at
        if period.ended_at is None and self.alert is not None:
            self.alert.reword(period)
            known.alert = self._touched(self.alert)
            return
        alert = KnownAlert(None, period.started_at, *period.words, period=period)
        alert.resolved_at = period.ended_at
        self._touched(alert)
        if period.ended_at is None:
            known.alert = self.alert = alert

    def _reword(self, known: KnownPeriod, period: Period) -> bool:
        """Take new words for an alert that is open; one that was closed here stays closed."""
        if known.alert is None or known.alert.resolved_at is not None:
            return False
        return self._touched(known.alert).reword(period)

    def _end(self, ended: KnownPeriod, at: datetime) -> None:
        """Close the alert, unless a later period of the same trouble is still open."""
        is_open_anew = any(
            one.ended_at is None and not one.is_new and one.started_at > ended.started_at
            for one in self.periods.values()
        )
        if self.alert is None or is_open_anew:
            return
        self._touched(self.alert).resolved_at = max(at, self.alert.opened_at)
        self.alert = None

    def _touched(self, alert: KnownAlert) -> KnownAlert:
        if not any(one is alert for one in self.touched):
            self.touched.append(alert)
        return alert
