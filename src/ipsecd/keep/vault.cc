// How SAs outlive the process:
// 1. A record is an SA, its times and its message, sealed with a key. Its numbers, which packet threads change, are in
//    a cell of other pages; the record's tag names the cell. The key is in the queue of a socket.
// 2. keep() writes the new record before it releases the old one. numbers_of() gives an SA its cell.
// 3. A new process calls take_over() with the previous one's descriptors. The key stays in the queue for the next.
// 4. each() opens all records, uses the newer if there are two for an SA, and adds what packets did since.
// 5. If memory runs out, an SA is not kept at all: losing it is better than restoring it wrong.
#include "ipsecd/keep/vault.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "base/cast.h"
#include "pfkey/codec.h"
#include "system/errno_text.h"

namespace ipseckey::ipsecd {
namespace {

using engine::Kept;
using engine::SaId;
using traffic::SaNumbers;

// The text of a record: these values, then the message.
struct Times {
  std::int64_t added = 0, added_wall = 0, idle_from = 0, idle_from_wall = 0;
  std::int64_t first = 0, first_wall = 0, last = 0, last_wall = 0;
  std::uint64_t used = 0, idle_told = 0;
};

std::int64_t steady(Instant t) { return t.steady.count(); }
std::int64_t wall(Instant t) { return t.wall.time_since_epoch().count(); }
Instant instant(std::int64_t steady_part, std::int64_t wall_part) {
  return {std::chrono::nanoseconds(steady_part), std::chrono::sys_seconds(std::chrono::seconds(wall_part))};
}

Times times_of(const Kept& k) {
  Times t{.added = steady(k.added),
          .added_wall = wall(k.added),
          .idle_from = steady(k.idle_from),
          .idle_from_wall = wall(k.idle_from),
          .idle_told = k.idle_told};
  if (k.first && k.last) {
    t.used = 1;
    t.first = steady(*k.first), t.first_wall = wall(*k.first);
    t.last = steady(*k.last), t.last_wall = wall(*k.last);
  }
  return t;
}

void put_times(Kept& k, const Times& t) {
  k.added = instant(t.added, t.added_wall);
  k.idle_from = instant(t.idle_from, t.idle_from_wall);
  k.idle_told = t.idle_told != 0;
  if (t.used == 0) return;
  k.first = instant(t.first, t.first_wall);
  k.last = instant(t.last, t.last_wall);
}

// Adds what packets did since the record was written.
void put_numbers(Kept& k, const SaNumbers& live) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (live.begun.load(kRelaxed) == 0) return;
  const std::uint64_t number = std::max(live.number.load(kRelaxed), live.highest.load(kRelaxed));
  if (number != 0) k.sa.replay_value = pfkey::ReplayValue::of(number);
  if (live.packets.load(kRelaxed) == 0 || !k.sa.current) return;
  k.sa.current->bytes = live.bytes.load(kRelaxed);
  k.sa.current->allocations =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(live.flows.load(kRelaxed), UINT32_MAX));
  const auto at = [](const SaNumbers::Counter& s, const SaNumbers::Counter& w) {
    return instant(static_cast<std::int64_t>(s.load(kRelaxed)), static_cast<std::int64_t>(w.load(kRelaxed)));
  };
  k.first = at(live.first_steady, live.first_wall);
  k.last = at(live.last_steady, live.last_wall);
}

SaId id_of(const pfkey::Message& m) { return {m.satype, m.sa->spi, m.dst->address}; }

// Stores the key: bytes in the queue of a socket whose other end is closed.
Result<Descriptor> lay_up(Bytes key) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(Errc::io, fmt::format("cannot create a socket for the key of the vault: {}", errno_text(errno)));
  Descriptor in(ends[0]), out(ends[1]);
  if (::send(in.get(), key.data(), key.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(key.size()))
    return fail(Errc::io, fmt::format("cannot store the key of the vault: {}", errno_text(errno)));
  return out;
}

}  // namespace

Vault::Vault(SealedRecords records, SharedPages numbers, Descriptor key_socket, Log log)
    : records_(std::move(records)),
      numbers_(std::move(numbers)),
      key_socket_(std::move(key_socket)),
      log_(std::move(log)) {}

Vault::~Vault() = default;

Result<std::unique_ptr<Vault>> Vault::made_of(SharedPages records, SharedPages numbers, Secret key,
                                              Descriptor key_socket, Log log) {
  auto sealed = SealedRecords::make(std::move(records), std::move(key), sizeof(Times) + pfkey::kMaxMessageSize);
  if (!sealed) return std::unexpected(sealed.error());
  return std::unique_ptr<Vault>(
      new Vault(std::move(*sealed), std::move(numbers), std::move(key_socket), std::move(log)));
}

Result<std::unique_ptr<Vault>> Vault::make(Log log) {
  auto records = SharedPages::make(kNames[0]);
  if (!records) return std::unexpected(records.error());
  auto numbers = SharedPages::make(kNames[1]);
  if (!numbers) return std::unexpected(numbers.error());
  Secret key(SealedRecords::kKeySize);
  crypto::random_bytes(key.bytes());
  auto key_socket = lay_up(key.bytes());
  if (!key_socket) return std::unexpected(key_socket.error());
  return made_of(std::move(*records), std::move(*numbers), std::move(key), std::move(*key_socket), std::move(log));
}

Result<std::unique_ptr<Vault>> Vault::take_over(Parts parts, Log log) {
  for (const Descriptor& part : parts)
    if (!part) return fail(Errc::malformed, "parts of what the previous ipsecd kept are missing");
  auto records = SharedPages::take_over(std::move(parts[0]));
  if (!records) return std::unexpected(records.error());
  auto numbers = SharedPages::take_over(std::move(parts[1]));
  if (!numbers) return std::unexpected(numbers.error());
  Secret key(SealedRecords::kKeySize);
  // It stays in the queue, for the next process.
  const ssize_t got = ::recv(parts[2].get(), key.bytes().data(), key.size(), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
  if (got != static_cast<ssize_t>(key.size()) || records->size() == 0) return fail(Errc::malformed, kOfAnotherKind);
  return made_of(std::move(*records), std::move(*numbers), std::move(key), std::move(parts[2]), std::move(log));
}

std::size_t Vault::each(const std::function<void(Kept&&)>& take) {
  std::vector<SealedRecords::Found> found = records_.scan();
  // An SA that was being rewritten when the process was killed exists twice, with the same serial: the newer counts.
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return a.serial != b.serial ? a.serial < b.serial : a.nonce > b.nonce;
  });
  std::vector<bool> claimed = claim_cells(found);
  std::size_t unread = 0;
  for (const SealedRecords::Found& f : found) {
    auto kept = read(f);
    const bool known = kept && index_.contains(id_of(kept->sa));
    if (!kept || known) {
      unread += !kept;
      records_.release(f.offset);
      continue;
    }
    Place place{.offset = f.offset, .numbers = {}};
    const std::uint64_t cell = records_.tag(f.offset);
    if (cell < claimed.size() && claimed[cell]) {
      claimed[cell] = false;
      place.numbers = numbers_at(cell);
      put_numbers(*kept, *place.numbers);
    }
    index_.emplace(id_of(kept->sa), std::move(place));
    take(std::move(*kept));
  }
  return unread;
}

// Which numbers belong to an SA; the others are free for new ones.
std::vector<bool> Vault::claim_cells(const std::vector<SealedRecords::Found>& found) {
  std::vector<bool> claimed(numbers_.size() / sizeof(SaNumbers));
  for (const SealedRecords::Found& f : found) {
    const std::uint64_t cell = records_.tag(f.offset);
    if (cell == 0 || cell >= claimed.size()) continue;
    claimed[cell] = true;
    cells_ = std::max(cells_, cell + 1);
  }
  for (std::uint64_t cell = 1; cell < cells_; ++cell)
    if (!claimed[cell]) free_cells_.push_back(cell);
  return claimed;
}

std::optional<Kept> Vault::read(const SealedRecords::Found& found) {
  const auto text = records_.open(found.offset);
  if (!text) return std::nullopt;
  std::optional<Kept> kept;
  auto message = pfkey::decode(text->subspan(std::min(sizeof(Times), text->size())));
  if (message && message->sa && message->dst) {
    kept.emplace();
    kept->serial = found.serial;
    Times times;
    std::memcpy(&times, text->data(), sizeof times);
    put_times(*kept, times);
    kept->sa = std::move(*message);
  }
  records_.close_text(text->size());
  return kept;
}

void Vault::complain() {
  if (std::exchange(complained_, true)) return;
  log_("not enough memory to keep all SAs: a restart will lose some of them");
}

void Vault::keep(Kept&& kept) {
  const SaId id = id_of(kept.sa);
  const auto old = index_.find(id);
  const MutableBytes text = records_.text();
  const Times times = times_of(kept);
  std::memcpy(text.data(), &times, sizeof times);
  const auto size = pfkey::encode(kept.sa, text.subspan(sizeof times));
  const std::uint64_t cell = old == index_.end() ? 0 : records_.tag(old->second.offset);
  const auto offset = size ? records_.put(sizeof times + *size, kept.serial, cell) : 0;
  if (!size) records_.close_text(text.size());
  if (offset == 0) {
    // The existing record describes an SA that has changed: none is better than a wrong one.
    if (old != index_.end()) forget(id);
    return complain();
  }
  if (old == index_.end()) {
    index_.emplace(id, Place{.offset = offset, .numbers = {}});
  } else {
    records_.release(std::exchange(old->second.offset, offset));
  }
}

void Vault::forget(const SaId& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return;
  records_.release(found->second.offset);
  index_.erase(found);
}

// A packet thread may still use the numbers of a deleted SA; their cell becomes free when it releases them.
std::shared_ptr<SaNumbers> Vault::numbers_at(std::uint64_t cell) {
  std::byte* const place = numbers_.bytes().subspan(cell * sizeof(SaNumbers), sizeof(SaNumbers)).data();
  return {object_at<SaNumbers>(place), [this, cell](SaNumbers*) { free_cells_.push_back(cell); }};
}

std::shared_ptr<SaNumbers> Vault::numbers_of(const SaId& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return std::make_shared<SaNumbers>();
  Place& place = found->second;
  if (place.numbers) return place.numbers;
  std::uint64_t cell = cells_;
  if (!free_cells_.empty()) {
    cell = free_cells_.back();
    free_cells_.pop_back();
  } else if (numbers_.grow((cells_ + 1) * sizeof(SaNumbers))) {
    ++cells_;
  } else {
    // Its numbers could not continue: it must not be restored.
    forget(id);
    complain();
    return std::make_shared<SaNumbers>();
  }
  place.numbers = numbers_at(cell);
  new (place.numbers.get()) SaNumbers();
  std::atomic_thread_fence(std::memory_order_seq_cst);  // They are in memory before the record refers to them.
  records_.set_tag(place.offset, cell);
  return place.numbers;
}

}  // namespace ipseckey::ipsecd
