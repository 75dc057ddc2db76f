"""Deliveries read and cleaned ahead of whoever stores them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.domain.units import UNIT_TITLES
from pipeline.errors import SourceError
from pipeline.feeds.batch import OpenLayer, RawBatch, raw_batch
from pipeline.feeds.clean import CleanBatch, Manner, clean_batch
from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.discover import SourceFile
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.limits import Limits
from pipeline.feeds.memory import Memory, part_of, with_known
from pipeline.feeds.opening import OPEN_LAYER, Opening
from pipeline.feeds.place import Known
from pipeline.feeds.units import LayerUnits
from pipeline.threads import ahead

# Batches that are cleaned before the server asks for them. Their memory is that of their shapes and
# texts several times over: 4,096 patches of 38 vertices take some 20 MB.
_AHEAD = 2


@dataclass(frozen=True)
class Delivery:
    """A file on its way into the database."""

    source: SourceFile
    contract: Contract
    county: County
    data_date: dt.date
    contract_hash: str
    memory: Memory | None = None
    known: Known = field(default_factory=Known)

    @property
    def scope(self) -> list[str] | None:
        """Its townships, None for the county."""
        return None if self.source.scope is None else list(self.source.scope)

    @property
    def reads_by(self) -> Contract:
        """The contract of its columns; only among changes has one the meaning of a change."""
        if self.source.takes_out:
            return self.contract.of_what_is_no_more()
        if self.source.is_changes:
            return self.contract
        return self.contract.model_copy(update={"change": None})

    @property
    def manner(self) -> Manner:
        """What it is to cleaning."""
        return Manner(self.data_date, self.source.is_changes, self.source.takes_out)

    def opening(self, limits: Limits) -> Opening:
        """How its file is opened."""
        source = self.source
        return Opening(
            source.path,
            self.reads_by,
            self.county,
            limits,
            inside=source.inside,
            layer=source.layer,
            known=self.known,
        )

    @property
    def identity(self) -> dict[str, object]:
        """By what ops.delivery knows it."""
        return {
            "feed": self.source.feed,
            "scope": self.scope,
            "data_date": self.data_date,
            "since": self.source.since,
            "is_dated": self.source.data_date is not None,
            "takes_out": self.source.takes_out,
            "content_hash": self.source.content_hash,
            "contract_hash": self.contract_hash,
        }


@dataclass(frozen=True)
class Piece:
    """A piece of a delivery: its layer comes first, then its batches, then the end or an error."""

    delivery: Delivery
    layer: OpenLayer | None = None
    batch: CleanBatch | None = None
    rows: int = 0
    error: SourceError | None = None


class Reader:
    """Reads and cleans deliveries ahead of the server: files in a process, rows in a thread.

    While the server stores one file, the next is being read. Neither touches the database.
    """

    def __init__(self, deliveries: list[Delivery], limits: Limits) -> None:
        self._room = ReadingRoom(limits)
        if deliveries:
            self._room.start()
        self._deliveries = deliveries
        self._wanted: Delivery | None = None
        self._pieces = ahead(self._read(), _AHEAD)

    def has(self, delivery: Delivery) -> bool:
        """Whether the delivery is among those that are read."""
        return any(delivery is other for other in self._deliveries)

    def close(self) -> None:
        """Stop reading, and end the process that reads."""
        self._pieces.close()
        self._room.close()

    def pieces(self, delivery: Delivery) -> Iterator[Piece]:
        """The layer and the batches of one delivery; what is left of earlier ones is dropped.

        Errors: SourceError where the file cannot be read.
        """
        self._wanted = delivery
        for piece in self._pieces:
            if piece.delivery is not delivery:
                continue
            if piece.error is not None:
                raise piece.error
            if piece.layer is None and piece.batch is None:
                return
            yield piece

    def _read(self) -> Generator[Piece]:
        for place, delivery in enumerate(self._deliveries):
            later = self._deliveries[place + 1 :]
            if self._is_past(later):
                continue
            try:
                with self._open(delivery) as layer:
                    yield Piece(delivery, layer=layer)
                    cleaning = LayerCleaning(layer, delivery)
                    with closing(ahead(layer.batches, 1)) as batches:
                        for batch in batches:
                            clean = cleaning(raw_batch(batch, len(layer.headings)))
                            yield Piece(delivery, batch=clean, rows=batch.num_rows)
                            if self._is_past(later):
                                break
                        else:
                            cleaning.finish()
                yield Piece(delivery)
            except SourceError as error:
                yield Piece(delivery, error=error)

    def _open(self, delivery: Delivery) -> AbstractContextManager[OpenLayer]:
        source = delivery.source
        if source.refusal is not None:
            raise source.refusal
        opening = replace(delivery.opening(self._room.limits), seal=delivery.contract_hash)
        return self._room.opened(OPEN_LAYER, opening, file=source.path.name)

    def _is_past(self, later: list[Delivery]) -> bool:
        """Whether one of the later deliveries is wanted already."""
        return any(self._wanted is other for other in later)


class LayerCleaning:
    """Cleans the batches of one layer, in their order; what is known from the last delivery is not."""

    def __init__(self, layer: OpenLayer, delivery: Delivery) -> None:
        self._layer = layer
        self._delivery = delivery
        self._contract = delivery.reads_by
        self._units = LayerUnits(
            layer,
            self._contract,
            delivery.county,
            file=delivery.source.path.name,
            source_crs=layer.crs,
        )
        self._remembers = not (layer.match.is_melted or delivery.source.is_changes)

    def __call__(self, batch: RawBatch) -> CleanBatch:
        """Clean a batch.

        Errors: SourceError (units.contradicted).
        """
        self._units.see(batch)
        if not self._remembers or batch.seals is None:
            return self._cleaned(batch)
        # what was decided of the layer is part of what a row was read by
        decided = self._units.seal
        seals = [_mixed(seal, decided) for seal in batch.seals] if decided else batch.seals
        known = (self._delivery.memory or Memory(())).find(seals)
        is_new = np.array([row is None for row in known], dtype=bool)
        clean = None
        if is_new.all():
            clean = self._cleaned(batch)
        elif is_new.any():
            clean = self._cleaned(part_of(batch, is_new))
        return with_known(clean, batch, seals, known)

    def _cleaned(self, batch: RawBatch) -> CleanBatch:
        return clean_batch(
            batch,
            self._layer,
            self._contract,
            self._delivery.county,
            self._delivery.manner,
            units=self._units,
            dates_1904=self._layer.dates_1904,
        )

    def finish(self) -> None:
        """Judge the layer as a whole, and keep what was decided of it.

        Errors: SourceError (units.mixed).
        """
        self._units.finish()
        for name, unit in self.detected.items():
            column = self._contract.column(name)
            if column is not None and column.unit == unit:
                continue
            params: dict[str, object] = {"column": name, "unit": UNIT_TITLES[unit]}
            self._layer.notes.append(("units.detected", params))

    @property
    def detected(self) -> dict[str, str]:
        """Columns whose unit the drawn areas decided."""
        return self._units.detected


def _mixed(seal: bytes, other: bytes) -> bytes:
    """Two seals in one."""
    return (int.from_bytes(seal, "big") ^ int.from_bytes(other, "big")).to_bytes(len(seal), "big")
