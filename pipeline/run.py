"""A run: lock, load, then every step in one transaction, checks, gate, commit."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from pipeline._paths import data_path
from pipeline.corrections import check_by_hand, load_corrections
from pipeline.database import (
    Counts,
    database_errors,
    empty_table,
    is_retryable,
    take_run_lock,
)
from pipeline.errors import CheckFailed, DiqiError, GateStopped, SourceError, UsageError
from pipeline.feeds.contracts import Contract, County, load_contracts
from pipeline.feeds.discover import HASH_MEMORY, ContentHashes, find_sources
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.kinds import kind_of, require_readable
from pipeline.feeds.opening import LIST_LAYERS
from pipeline.gate import judge_deliveries, judge_records, judge_results, read_published
from pipeline.ledger import (
    Accepted,
    LastRun,
    RunResult,
    StepResult,
    begin_run,
    commit_run,
    compare_runs,
    end_run,
    hold_after,
    last_run,
    next_run_id,
    published_as_of,
    read_changes,
)
from pipeline.messages import both
from pipeline.offices import feed_states, load_contacts
from pipeline.settings import Settings
from pipeline.stepping import (
    fingerprint,
    known_parameters,
    mark_everything,
    record_tables,
    run_step,
    seed_dates_and_acts,
    vintage_of,
)
from pipeline.steps import STEPS
from pipeline.steps.deliveries import DeliveryResult
from pipeline.steps.load_feeds import load_sources
from pipeline.threads import calm_collector

Watch = Callable[[str], None]
# Called inside the transaction with what a run would publish, before it is taken back.
Draft = Callable[[Connection, RunResult], None]
LoadWatch = Callable[[str, int, int | None], None]

# Name of the hash of all deliveries among the fingerprints of the steps.
_DELIVERIES = "ops.delivery"


@dataclass(frozen=True)
class _Plan:
    """What a run was asked to do."""

    settings: Settings
    contracts: dict[str, Contract]
    as_of: dt.date
    is_full: bool
    is_dry: bool
    accept: Accepted | None
    watch: Watch
    load_watch: LoadWatch
    rollback_to: int | None = None
    draft: Draft = lambda _connection, _result: None
    results: list[RunResult] = field(default_factory=list)


def run(
    engine: Engine,
    settings: Settings,
    *,
    as_of: dt.date,
    is_full: bool = False,
    is_dry: bool = False,
    accept: str | None = None,
    by: str | None = None,
    watch: Watch = lambda _step: None,
    load_watch: LoadWatch = lambda _file, _rows, _total: None,
    draft: Draft = lambda _connection, _result: None,
) -> RunResult:
    """Load what lies in the inbox and bring everything up to date, or change nothing at all.

    ``accept`` is why a person lets the run pass the gate, ``by`` who that is (else the user of this
    session). ``draft`` sees what a run would have published that is dry or that the gate stops.
    ``watch`` is called with the name of each step before it starts, ``load_watch`` with each
    file, the rows read of it so far, and how many it holds where that is known.
    Errors: every DiqiError of docs/sources.md, Design 6; the last good layers are then untouched.
    """
    contracts = contracts_of(settings)
    passes = None if accept is None else Accepted(by or user_name(), accept)
    plan = _Plan(
        settings, contracts, as_of, is_full, is_dry, passes, watch, load_watch, draft=draft
    )
    return _run(engine, plan)


def user_name() -> str:
    """Who is at the keyboard; a service may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "?"


def rollback(
    engine: Engine,
    settings: Settings,
    run_id: int,
    *,
    is_dry: bool = False,
    watch: Watch = lambda _step: None,
    draft: Draft = lambda _connection, _result: None,
) -> RunResult:
    """Publish what the deliveries say that a published run had, and no later ones.

    Later deliveries are held, not deleted: ``diqi load --release`` frees one. What people entered
    stays, history only grows, and the business date does not go back. The inbox is not read. The
    gate lets pass what the rollback takes away; that is on record.

    Errors: UsageError where no such run was published; those of ``run``.
    """
    contracts = contracts_of(settings)
    as_of = published_as_of(engine)
    if as_of is None:
        raise UsageError("usage.rollback", run=run_id)
    plan = _Plan(
        settings,
        contracts,
        as_of,
        is_full=False,
        is_dry=is_dry,
        accept=Accepted(user_name(), f"rollback {run_id}"),
        watch=watch,
        load_watch=lambda _file, _rows, _total: None,
        rollback_to=run_id,
        draft=draft,
    )
    return _run(engine, plan)


def _run(engine: Engine, plan: _Plan) -> RunResult:
    with (
        calm_collector(),
        database_errors(),
        engine.connect() as connection,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as ledger,
    ):
        take_run_lock(connection)
        try:
            return _locked_run(connection, ledger, plan)
        finally:
            if not connection.invalidated:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
                connection.commit()


def load(
    engine: Engine,
    settings: Settings,
    *,
    as_of: dt.date,
    load_watch: LoadWatch = lambda _file, _rows, _total: None,
    tell_unknown: Callable[[str], None] = lambda _file: None,
) -> list[DeliveryResult]:
    """Load what lies in the inbox, without running the steps.

    ``tell_unknown`` is called with each file that is of no feed, and what is wrong with it.
    Errors: SourceError for the first refused file (the others are loaded), RunLocked, DatabaseError.
    """
    contracts = contracts_of(settings)
    with calm_collector(), database_errors(), engine.connect() as connection:
        take_run_lock(connection)
        try:
            deliveries, unknown = _load(connection, settings, contracts, as_of, load_watch)
            for file in unknown:
                tell_unknown(file)
            return deliveries
        finally:
            if not connection.invalidated:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
                connection.commit()


def contracts_of(settings: Settings) -> dict[str, Contract]:
    """The feed contracts, the workspace's own over the default ones.

    Errors: SettingsError where one of them is wrong.
    """
    own = settings.workspace / "sources.toml"
    return load_contracts(data_path("config", "sources.toml"), own if own.is_file() else None)


def county_of(settings: Settings) -> County:
    """What cleaning must know of the county."""
    return County(
        code=settings.county.code,
        crs=settings.county.crs,
        parcel_scheme=settings.codes.parcel_scheme,
        address_style=settings.codes.address_style,
        address_prefixes=settings.codes.address_prefixes,
        extent=settings.county.extent or None,
    )


def _locked_run(connection: Connection, ledger: Connection, plan: _Plan) -> RunResult:
    last = last_run(connection)
    if last.as_of is not None and plan.as_of < last.as_of:
        raise UsageError("run.as_of_back", as_of=str(plan.as_of), last=str(last.as_of))
    backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    connection.rollback()
    run_id = (
        0
        if plan.is_dry
        else begin_run(ledger, as_of=plan.as_of, is_full=plan.is_full, backend_pid=backend)
    )
    try:
        with database_errors():
            return _attempt(connection, plan, last, run_id)
    except BaseException as error:
        if run_id:
            end_run(ledger, run_id, error, plan.results[-1] if plan.results else None)
        raise


def _attempt(connection: Connection, plan: _Plan, last: LastRun, run_id: int) -> RunResult:
    """Load, then run the steps; once more when the server asks for it."""
    if plan.is_dry:
        transaction = connection.begin()
        try:
            run_id = next_run_id(connection)
            deliveries, unknown = _load_planned(connection, plan)
            result = _transact(connection, plan, last, run_id, deliveries, unknown)
            plan.draft(connection, result)
            return result
        finally:
            transaction.rollback()
    deliveries, unknown = _load_planned(connection, plan)
    for attempt in (1, 2):
        try:
            with database_errors(), connection.begin():
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                return _transact(connection, plan, last, run_id, deliveries, unknown)
        except DiqiError as error:
            if attempt == 2 or not is_retryable(error):
                raise
    raise AssertionError("unreachable")


def _load_planned(connection: Connection, plan: _Plan) -> tuple[list[DeliveryResult], list[str]]:
    """Load the inbox, unless the run goes back."""
    if plan.rollback_to is not None:
        return [], []
    return _load(connection, plan.settings, plan.contracts, plan.as_of, plan.load_watch)


def _load(
    connection: Connection,
    settings: Settings,
    contracts: dict[str, Contract],
    as_of: dt.date,
    load_watch: LoadWatch,
) -> tuple[list[DeliveryResult], list[str]]:
    county = county_of(settings)
    hashes = ContentHashes(settings.workspace / ".diqi" / HASH_MEMORY)
    limits = settings.limits.of_files
    inbox = settings.workspace / "inbox"
    with closing(ReadingRoom(limits)) as room:
        found = find_sources(
            inbox,
            contracts,
            hashes,
            limits=limits,
            layers_of=lambda path: list(room.asked(LIST_LAYERS, path, file=path.name)),
        )
    hashes.save()
    deliveries = load_sources(
        connection,
        found.sources,
        contracts,
        county,
        as_of=as_of,
        limits=limits,
        progress=load_watch,
    )
    load_corrections(connection, settings.workspace / "corrections.csv", contracts, county)
    check_by_hand(connection, contracts, county)
    load_contacts(connection, settings.workspace / "contacts.csv")
    return deliveries, [_unknown(inbox, path, found.faults.get(path)) for path in found.unknown]


def _unknown(inbox: Path, path: Path, fault: SourceError | None) -> str:
    """A file of no feed, and what is wrong with it where it could not be one."""
    if fault is None:
        try:
            require_readable(inbox / path, kind_of(inbox / path))
        except SourceError as error:
            fault = error
        else:
            return str(path)
    zh, en = both(fault.code, fault.params)
    return f"{path}：{zh} / {en}"


def _transact(
    connection: Connection,
    plan: _Plan,
    last: LastRun,
    run_id: int,
    deliveries: list[DeliveryResult],
    unknown: list[str],
) -> RunResult:
    """All of a run that stands or falls together."""
    back = None if plan.rollback_to is None else hold_after(connection, plan.rollback_to)
    missing = _missing_feeds(connection, plan.contracts)
    data_year = plan.as_of.year - plan.settings.evaluation.data_year_offset
    result = RunResult(
        run_id, plan.as_of, data_year, None, plan.is_dry, deliveries, missing, unknown
    )
    plan.results.append(result)
    result.accepted = plan.accept
    states = feed_states(connection, plan.contracts, plan.as_of, with_records=False)
    result.overdue = [one for one in states if one["is_overdue"]]
    result.too_old = [one for one in states if one["is_too_old"]]
    result.before = result.after = read_published(connection)
    feeds = _changed_feeds(connection)
    common: dict[str, object] = {
        "run_id": run_id,
        "as_of": plan.as_of,
        "data_year": data_year,
        "feeds": feeds,
    }
    connection.execute(
        text("SELECT set_config('diqi.as_of', :as_of, true)"), {"as_of": plan.as_of.isoformat()}
    )
    empty_table(connection, "ops.dirty")
    seed_dates_and_acts(connection, plan.as_of, last)
    if plan.is_full:
        mark_everything(connection)
    fingerprints = {_DELIVERIES: _delivery_hash(connection)}
    is_quiet = (
        not plan.is_full
        and last.as_of == plan.as_of
        and last.fingerprint.get(_DELIVERIES) == fingerprints[_DELIVERIES]
        and not feeds
        and not connection.execute(text("SELECT EXISTS (SELECT 1 FROM ops.dirty)")).scalar_one()
    )
    rules_changed = False
    for step in STEPS:
        plan.watch(step.name)
        own = {name: plan.settings.value(path) for name, path in step.settings.items()}
        fingerprints[step.name] = fingerprint(step, own, data_year, result.vintage)
        is_new = last.fingerprint.get(step.name) not in {None, fingerprints[step.name]}
        rules_changed = rules_changed or is_new
        is_quiet = is_quiet and not is_new
        if is_new and not plan.is_full:
            mark_everything(connection)
        if is_quiet:
            # all that the step depends on is what it was when it ran last
            nothing = Counts(0, 0, 0, 0)
            counts = {output.table: nothing for output in step.outputs}
            result.steps.append(StepResult(step.name, 0.0, counts))
        else:
            parameters = {**common, **own, "is_full": plan.is_full or is_new}
            result.steps.append(run_step(connection, step, parameters, run_id))
        if step.name == "reconcile_records":
            gate = plan.settings.gate
            result.gate += judge_records(connection, _of_records(result), plan.contracts, gate)
            result.gate += judge_deliveries(connection, plan.contracts, gate)
            result.vintage = common["vintage"] = vintage_of(connection, plan.settings)
    if not is_quiet:
        read_changes(connection, result)
        result.after = read_published(connection)
        # other rules or another year give other results; whoever changed them knows
        if not rules_changed:
            result.gate += judge_results(result.before, result.after, plan.settings.gate)
        stopping = next((one for one in result.gate if one.stops), None)
        if stopping is not None and plan.accept is None and not plan.is_dry:
            plan.draft(connection, result)
            raise GateStopped(stopping.code, **stopping.params)
        plan.watch("check")
        base_codes = plan.settings.value("coverage.base_codes")
        check(connection, {**common, "base_codes": base_codes, "is_full": plan.is_full})
    plan.watch("publish")
    commit_run(connection, result, last, fingerprints)
    if back is not None:
        result.rollback = compare_runs(connection, run_id, back)
    return result


def _of_records(result: RunResult) -> dict[str, Counts]:
    """What the step that has just run did to the tables of records."""
    tables = {output.table for output in record_tables()}
    return {table: found for table, found in result.steps[-1].counts.items() if table in tables}


def _missing_feeds(connection: Connection, contracts: dict[str, Contract]) -> list[str]:
    """Feeds that no active delivery gives.

    Errors: SourceError when one of them is required.
    """
    there = set(
        connection.execute(
            text("SELECT DISTINCT feed FROM ops.delivery WHERE state IN ('loaded', 'consumed')")
        ).scalars()
    )
    missing = [feed for feed, contract in contracts.items() if contract.usual and feed not in there]
    for feed in missing:
        if contracts[feed].required:
            raise SourceError(
                "source.missing_feed", feed=feed, files=", ".join(contracts[feed].files)
            )
    return missing


def _delivery_hash(connection: Connection) -> str:
    """Hash of which deliveries there are and which of them count; consuming one changes nothing."""
    value: str = connection.execute(
        text(
            """
            SELECT coalesce(md5(string_agg(concat_ws(' ', d.delivery_id,
              CASE d.state WHEN 'loaded' THEN 'consumed' ELSE d.state END), ', '
              ORDER BY d.delivery_id)), '')
            FROM ops.delivery AS d
            """
        )
    ).scalar_one()
    return value


def _changed_feeds(connection: Connection) -> list[str]:
    """Feeds of which a delivery came, was withdrawn, held or released since the last run."""
    return list(
        connection.execute(
            text(
                """
                SELECT DISTINCT feed FROM ops.delivery
                WHERE state = 'loaded' OR (state IN ('held', 'withdrawn') AND consumed_run IS NOT NULL)
                ORDER BY feed
                """
            )
        ).scalars()
    )


def check(connection: Connection, parameters: Mapping[str, object]) -> dict[str, int]:
    """Run every query of sql/checks; each returns the rows that break one rule.

    Errors: CheckFailed naming every rule that is broken and one offending row.
    """
    found: dict[str, int] = {}
    example = ""
    for file in sorted(data_path("sql", "checks").glob("*.sql")):
        query = file.read_text(encoding="utf-8")
        rows = (
            connection.execute(text(query), known_parameters(query, parameters))
            .mappings()
            .fetchmany(1000)
        )
        found[file.stem] = len(rows)
        if rows and not example:
            example = ", ".join(f"{name}={value}" for name, value in rows[0].items())
    broken = [rule for rule, count in found.items() if count]
    if broken:
        raise CheckFailed(
            "check.failed", rule=", ".join(broken), rows=sum(found.values()), example=example
        )
    return found
