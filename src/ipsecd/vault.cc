#include "ipsecd/vault.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <unordered_map>

#include "ipsecd/error_text.h"
#include "pfkey/codec.h"

namespace ipsecd {
namespace {

using engine::Kept;
using engine::SaId;
using engine::traffic::Live;

constexpr std::uint64_t kMagic = 0x3156445345535049;  // Of this layout; another one is not read.
constexpr std::size_t kBlock = 64;
constexpr std::size_t kKey = 32, kSalt = 4, kIcv = 16, kIv = 8, kAad = 8;

// At the front of the records, a block of its own.
struct Front {
  std::uint64_t magic = kMagic;
  std::uint64_t nonce = 0;  // The last one that was used; it moves before it is used.
};

// What is sealed, in front of the message.
struct Times {
  std::int64_t added = 0, added_wall = 0, idle_from = 0, idle_from_wall = 0;
  std::int64_t first = 0, first_wall = 0, last = 0, last_wall = 0;
  std::uint64_t used = 0, idle_told = 0;
};

template <class T>
T read_at(Bytes all, std::uint64_t offset) {
  T value;
  std::memcpy(&value, all.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}
template <class T>
void write_at(MutableBytes all, std::uint64_t offset, const T& value) {
  std::memcpy(all.subspan(offset, sizeof value).data(), &value, sizeof value);
}

// What is written before it is there before what is written after it, should the process be killed between the two.
void settle() { std::atomic_thread_fence(std::memory_order_seq_cst); }

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

// What packets did since the record was written.
void put_numbers(Kept& k, const Live& live) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  if (live.begun.load(kRelaxed) == 0) return;
  const std::uint64_t number = std::max(live.number.load(kRelaxed), live.highest.load(kRelaxed));
  if (number != 0) k.sa.replay_value = pfkey::ReplayValue::of(number);
  if (live.packets.load(kRelaxed) == 0 || !k.sa.current) return;
  k.sa.current->bytes = live.bytes.load(kRelaxed);
  k.sa.current->allocations =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(live.flows.load(kRelaxed), UINT32_MAX));
  const auto at = [](const Live::Counter& s, const Live::Counter& w) {
    return instant(static_cast<std::int64_t>(s.load(kRelaxed)), static_cast<std::int64_t>(w.load(kRelaxed)));
  };
  k.first = at(live.first_steady, live.first_wall);
  k.last = at(live.last_steady, live.last_wall);
}

SaId id_of(const pfkey::Message& m) { return {m.satype, m.sa->spi, m.dst->address}; }

// The key's place: bytes in the queue of a socket whose other end is closed.
Result<Fd> lay_up(Bytes key) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(Errc::io, fmt::format("cannot make a socket for the key of the vault: {}", text_of(errno)));
  Fd in(ends[0]), out(ends[1]);
  if (::send(in.get(), key.data(), key.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(key.size()))
    return fail(Errc::io, fmt::format("cannot lay up the key of the vault: {}", text_of(errno)));
  return out;
}

}  // namespace

// At the front of each record, in clear. Records follow one another, used or free, until one with no blocks.
struct Vault::Head {
  std::uint32_t blocks = 0;  // Head included. It never changes.
  std::uint32_t size = 0;    // Of the sealed text, without the ICV; 0: free.
  std::uint64_t nonce = 0;
  std::uint64_t serial = 0;
  std::uint64_t cell = 0;  // Of the numbers; 0: none.
};

Vault::Vault(SharedPages records, SharedPages numbers, Fd key_socket, Log log)
    : records_(std::move(records)),
      numbers_(std::move(numbers)),
      key_socket_(std::move(key_socket)),
      log_(std::move(log)) {
  scratch_.grow(pfkey::kMaxMessageSize + sizeof(Times) + kAad + kIv + kIcv);
}

Vault::~Vault() = default;

Result<void> Vault::use_key(Bytes key) {
  key_ = Secret(key);
  const crypto::Suite suite{.encrypt = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, "aes-gcm16"),
                            .encrypt_key = &key_};
  keyed_ = suite.encrypt ? crypto::Keyed::make(suite, crypto::Keyed::Way::both) : nullptr;
  if (!keyed_)
    return fail(Errc::unsupported, "the cryptographic library has no AES-GCM for what is kept for a restart");
  return {};
}

Result<std::unique_ptr<Vault>> Vault::make(Log log) {
  auto records = SharedPages::make(kNames[0]);
  if (!records) return std::unexpected(records.error());
  auto numbers = SharedPages::make(kNames[1]);
  if (!numbers) return std::unexpected(numbers.error());
  if (!records->grow(kBlock)) return fail(Errc::io, "there is no memory in which SAs could be kept for a restart");
  Secret key(kKey + kSalt);
  crypto::random_bytes(key.bytes());
  auto key_socket = lay_up(key.bytes());
  if (!key_socket) return std::unexpected(key_socket.error());
  std::unique_ptr<Vault> vault(
      new Vault(std::move(*records), std::move(*numbers), std::move(*key_socket), std::move(log)));
  if (auto r = vault->use_key(key.bytes()); !r) return std::unexpected(r.error());
  write_at(vault->records_.bytes(), 0, Front{});
  vault->end_ = kBlock;
  return vault;
}

Result<std::unique_ptr<Vault>> Vault::take_over(Parts parts, Log log) {
  for (const Fd& part : parts)
    if (!part) return fail(Errc::malformed, "not all of what the last ipsecd kept is there");
  auto records = SharedPages::take_over(std::move(parts[0]));
  if (!records) return std::unexpected(records.error());
  auto numbers = SharedPages::take_over(std::move(parts[1]));
  if (!numbers) return std::unexpected(numbers.error());
  Secret key(kKey + kSalt);
  // It stays in the queue, for the one that comes after this.
  const ssize_t got = ::recv(parts[2].get(), key.bytes().data(), key.size(), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
  if (got != static_cast<ssize_t>(key.size()) || records->size() < kBlock ||
      read_at<Front>(records->bytes(), 0).magic != kMagic)
    return fail(Errc::malformed, "what the last ipsecd kept is of another kind");
  std::unique_ptr<Vault> vault(
      new Vault(std::move(*records), std::move(*numbers), std::move(parts[2]), std::move(log)));
  if (auto r = vault->use_key(key.bytes()); !r) return std::unexpected(r.error());
  return vault;
}

// Walks over all records and finds out which places are free.
std::vector<Vault::Found> Vault::scan() {
  std::vector<Found> found;
  end_ = kBlock;
  while (end_ + sizeof(Head) <= records_.size()) {
    const Head head = read_at<Head>(records_.bytes(), end_);
    const std::uint64_t length = std::uint64_t{head.blocks} * kBlock;
    if (head.blocks == 0 || length > records_.size() - end_) break;
    if (head.size == 0 || sizeof head + head.size + kIcv > length) {
      free_[head.blocks].push_back(end_);
    } else {
      found.push_back({end_, head.serial, head.nonce});
    }
    end_ += length;
  }
  // A damaged record hides those behind it: they are gone, and must not come back when it is written over.
  if (const MutableBytes rest = records_.bytes().subspan(end_); !all_zero(rest)) wipe(rest);
  auto front = read_at<Front>(records_.bytes(), 0);
  for (const Found& f : found) front.nonce = std::max(front.nonce, f.nonce);
  write_at(records_.bytes(), 0, front);
  return found;
}

std::size_t Vault::each(const std::function<void(Kept&&)>& take) {
  std::vector<Found> found = scan();
  // An SA that was being rewritten when the process was killed is there twice, of the same serial: the newer counts.
  std::ranges::sort(found, [](const Found& a, const Found& b) {
    return a.serial != b.serial ? a.serial < b.serial : a.nonce > b.nonce;
  });
  std::vector<bool> claimed = claim_cells(found);
  std::size_t unread = 0;
  for (const Found& f : found) {
    auto kept = read(f.offset);
    const bool known = kept && index_.contains(id_of(kept->sa));
    if (!kept || known) {
      unread += !kept;
      release(f.offset);
      continue;
    }
    Place place{.offset = f.offset, .numbers = {}};
    const Head head = read_at<Head>(records_.bytes(), f.offset);
    if (head.cell < claimed.size() && claimed[head.cell]) {
      claimed[head.cell] = false;
      place.numbers = numbers_at(head.cell);
      put_numbers(*kept, *place.numbers);
    }
    index_.emplace(id_of(kept->sa), std::move(place));
    take(std::move(*kept));
  }
  return unread;
}

// Which numbers belong to an SA; the others may be given to new ones.
std::vector<bool> Vault::claim_cells(const std::vector<Found>& found) {
  std::vector<bool> claimed(numbers_.size() / sizeof(Live));
  for (const Found& f : found) {
    const std::uint64_t cell = read_at<Head>(records_.bytes(), f.offset).cell;
    if (cell == 0 || cell >= claimed.size()) continue;
    claimed[cell] = true;
    cells_ = std::max(cells_, cell + 1);
  }
  for (std::uint64_t cell = 1; cell < cells_; ++cell)
    if (!claimed[cell]) free_cells_.push_back(cell);
  return claimed;
}

std::optional<Kept> Vault::read(std::uint64_t offset) {
  const Head head = read_at<Head>(records_.bytes(), offset);
  const Bytes sealed = Bytes(records_.bytes()).subspan(offset + sizeof head, head.size + kIcv);
  const std::size_t front = kAad + kIv;
  if (head.size < sizeof(Times) || front + sealed.size() > scratch_.size()) return std::nullopt;
  const MutableBytes all = scratch_.bytes().first(front + sealed.size());
  write_at(all, 0, head.serial);
  write_at(all, kAad, head.nonce);
  std::ranges::copy(sealed, all.begin() + front);
  crypto::Job job{.keyed = keyed_.get(), .esp = all.first(all.size() - kIcv), .icv = all.last(kIcv)};
  crypto_.open({&job, 1});
  std::optional<Kept> kept;
  if (job.ok) {
    auto message = pfkey::decode(Bytes(all).subspan(front + sizeof(Times), head.size - sizeof(Times)));
    if (message && message->sa && message->dst) {
      kept.emplace();
      kept->serial = head.serial;
      put_times(*kept, read_at<Times>(all, front));
      kept->sa = std::move(*message);
    }
  }
  wipe(all);
  return kept;
}

std::uint64_t Vault::allocate(std::uint32_t blocks) {
  if (auto& list = free_[blocks]; !list.empty()) {
    const std::uint64_t offset = list.back();
    list.pop_back();
    return offset;
  }
  const std::uint64_t offset = end_;
  if (!records_.grow(offset + std::uint64_t{blocks} * kBlock)) return 0;
  write_at(records_.bytes(), offset, Head{.blocks = blocks});
  end_ += std::uint64_t{blocks} * kBlock;
  return offset;
}

// Nothing of the SA is left, not even sealed.
void Vault::release(std::uint64_t offset) {
  const std::uint32_t blocks = read_at<Head>(records_.bytes(), offset).blocks;
  write_at(records_.bytes(), offset, Head{.blocks = blocks});
  settle();
  wipe(records_.bytes().subspan(offset + sizeof(Head), std::size_t{blocks} * kBlock - sizeof(Head)));
  free_[blocks].push_back(offset);
}

void Vault::complain() {
  if (std::exchange(complained_, true)) return;
  log_("there is no memory in which all SAs could be kept: a restart will lose some of them");
}

// Seals what stands in scratch_ into a record, which counts only when all of it is there.
void Vault::write(std::uint64_t offset, Head head) {
  auto front = read_at<Front>(records_.bytes(), 0);
  head.nonce = ++front.nonce;
  write_at(records_.bytes(), 0, front);
  settle();
  const MutableBytes scratch = scratch_.bytes();
  write_at(scratch, 0, head.serial);
  write_at(scratch, kAad, head.nonce);
  const MutableBytes esp = scratch.first(kAad + kIv + head.size);
  crypto::Job job{.keyed = keyed_.get(), .esp = esp, .icv = scratch.subspan(esp.size(), kIcv)};
  crypto_.seal({&job, 1});
  std::ranges::copy(Bytes(scratch).subspan(kAad + kIv, head.size + kIcv),
                    records_.bytes().subspan(offset + sizeof head).begin());
  wipe(scratch.first(esp.size() + kIcv));
  const std::uint32_t size = std::exchange(head.size, 0);
  write_at(records_.bytes(), offset, head);
  settle();
  head.size = size;
  write_at(records_.bytes(), offset, head);
  settle();
}

void Vault::keep(Kept&& kept) {
  const SaId id = id_of(kept.sa);
  const MutableBytes scratch = scratch_.bytes();
  constexpr std::size_t kFront = kAad + kIv + sizeof(Times);
  const auto size = pfkey::encode(kept.sa, scratch.subspan(kFront).first(pfkey::kMaxMessageSize));
  const std::size_t text = sizeof(Times) + size.value_or(0);
  const auto blocks = static_cast<std::uint32_t>((sizeof(Head) + text + kIcv + kBlock - 1) / kBlock);
  const std::uint64_t offset = size ? allocate(blocks) : 0;
  const auto old = index_.find(id);
  if (offset == 0) {
    wipe(scratch);
    // What is there is of an SA that is no more as it was: better none than a wrong one.
    if (old != index_.end()) forget(id);
    return complain();
  }
  Head head{.blocks = blocks, .size = static_cast<std::uint32_t>(text), .serial = kept.serial};
  if (old != index_.end()) head.cell = read_at<Head>(records_.bytes(), old->second.offset).cell;
  write_at(scratch, kAad + kIv, times_of(kept));
  write(offset, head);
  if (old == index_.end()) {
    index_.emplace(id, Place{.offset = offset, .numbers = {}});
  } else {
    release(std::exchange(old->second.offset, offset));
  }
}

void Vault::forget(const SaId& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return;
  release(found->second.offset);
  index_.erase(found);
}

// A packet thread may still use the numbers of an SA that is gone; their place is free when it lets go of them.
std::shared_ptr<Live> Vault::numbers_at(std::uint64_t cell) {
  void* const place = numbers_.bytes().subspan(cell * sizeof(Live), sizeof(Live)).data();
  return {static_cast<Live*>(place), [this, cell](Live*) { free_cells_.push_back(cell); }};
}

std::shared_ptr<Live> Vault::live(const SaId& id) {
  const auto found = index_.find(id);
  if (found == index_.end()) return std::make_shared<Live>();
  Place& place = found->second;
  if (place.numbers) return place.numbers;
  std::uint64_t cell = cells_;
  if (!free_cells_.empty()) {
    cell = free_cells_.back();
    free_cells_.pop_back();
  } else if (numbers_.grow((cells_ + 1) * sizeof(Live))) {
    ++cells_;
  } else {
    // Its numbers could not go on: it must not come back.
    forget(id);
    complain();
    return std::make_shared<Live>();
  }
  place.numbers = numbers_at(cell);
  new (place.numbers.get()) Live();
  settle();
  Head head = read_at<Head>(records_.bytes(), place.offset);
  head.cell = cell;
  write_at(records_.bytes(), place.offset, head);
  return place.numbers;
}

}  // namespace ipsecd
