"""The streams that are open: counted by who holds them, and found by what they are to be told."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from threading import Lock
from typing import Final

from exchange_poc.stream.stream import Stream
from kpi.errors import StreamsFull, TooManyStreams
from kpi.stream.api import MOST_OF_A_HOLDER
from kpi.stream.holders import Holder
from kpi.stream.journal import Event
from kpi.stream.subscriptions import Subscription

#: Streams of one process: each is a connection, and some memory while its reader lags.
MOST: Final = 3_000


class Places:
    """How many streams each key has open. Threads that grant streams share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[tuple[int | None, int]] = Counter()

    def take(self, holder: Holder) -> None:
        """Take a place. Raises TooManyStreams, StreamsFull."""
        who = holder.key_id, holder.user_id
        with self._lock:
            if self._taken[who] >= MOST_OF_A_HOLDER:
                raise TooManyStreams(MOST_OF_A_HOLDER)
            if self._taken.total() >= MOST:
                raise StreamsFull
            self._taken[who] += 1

    def give_back(self, holder: Holder) -> None:
        who = holder.key_id, holder.user_id
        with self._lock:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]


class Entrance:
    """By which one request may come in: what it takes is given back, whatever becomes of it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._holder: Holder | None = None

    def admit(self, subscription: Subscription) -> None:
        """Take a place for a stream. Raises TooManyStreams, StreamsFull."""
        self._places.take(subscription.holder)
        self._holder = subscription.holder

    def leave(self) -> None:
        if self._holder is not None:
            self._places.give_back(self._holder)
            self._holder = None


class Audience:
    """Streams that hear what is published, by account."""

    def __init__(self) -> None:
        self._all: set[Stream] = set()
        self._everybody: set[Stream] = set()
        self._of_account: defaultdict[int, set[Stream]] = defaultdict(set)

    def __iter__(self) -> Iterator[Stream]:
        return iter(tuple(self._all))

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, stream: Stream) -> None:
        self._all.add(stream)
        if stream.scope.everybody:
            self._everybody.add(stream)
        elif stream.scope.account_id is not None:
            self._of_account[stream.scope.account_id].add(stream)

    def remove(self, stream: Stream) -> None:
        self._all.discard(stream)
        self._everybody.discard(stream)
        account_id = stream.scope.account_id
        if account_id is not None and account_id in self._of_account:
            self._of_account[account_id].discard(stream)
            if not self._of_account[account_id]:
                del self._of_account[account_id]

    def of(self, account_ids: Iterable[int]) -> Iterator[Stream]:
        """Return the streams that hear of some accounts, or of all."""
        own = (self._of_account.get(account_id, ()) for account_id in account_ids)
        return chain(self._everybody, *own)

    def hears(self, event: Event) -> bool:
        """Tell whether an event is for anybody."""
        near = self._all if event.account_id is None else self.of([event.account_id])
        return any(event.channel in stream.scope.channels for stream in near)
