// The server with five clients: two with full access, of which the second takes packets of several messages, a reader,
// one that only listens and reads as slowly as the input says, and one that reads at once and so witnesses all notices.
// Requests are composed field by field, and some of their octets are spoilt afterwards.
//
// Every request gets its answer, in the order of the requests, and nobody receives another's; no key is sent to a
// reader; messages that the listener misses are counted exactly where they are missing; a client's queue is bounded.
//
// An input: the most SAs; then steps, an octet each (its upper half: which client), with their operands.
#include "ipsecd/clients/server.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "engine/testing.h"
#include "must.h"
#include "pfkey/notices.h"
#include "pfkey/packs.h"
#include "pfpolicy/codec.h"
#include "requests.h"

using namespace ipseckey;

namespace {

using namespace ipsecd;
using pfkey::Message;
using pfkey::Type;
using Wire = std::vector<std::byte>;

constexpr std::size_t kMostSteps = 200, kMostRequests = 2500, kEndless = SIZE_MAX;

// One end of a connection.
struct Peer {
  ClientId id = 0;
  Access access = Access::all;
  std::uint32_t pid = 0;
  std::size_t room = kEndless;  // Messages that it accepts before it is full.
  std::size_t longest = pfkey::kMaxMessageSize;
  bool gone = false;
  bool nosy = false;  // It requested promiscuous mode or ACQUIREs.
  std::size_t heard = 0, octets = 0;
  std::uint32_t answered = 0;  // The request that was answered last.
  struct Asked {
    std::uint32_t seq;
    bool done;
    bool dump;
  };
  std::deque<Asked> asked;
};

bool of_policy(Bytes wire) { return !wire.empty() && wire[0] == std::byte{pfpolicy::kVersion}; }

bool has_keys(const Message& m) { return m.auth_key || m.encrypt_key || m.initial_iv; }

// PF_KEY's answers that only the sender receives.
bool is_private(Type type) {
  constexpr std::array kPrivate = {Type::get, Type::dump, Type::x_promisc, Type::x_inverse_acquire,
                                   Type::x_delpair_state};
  return std::ranges::find(kPrivate, type) != kPrivate.end();
}

class World {
 public:
  explicit World(Reader& in)
      : most_(number<std::uint8_t>(in) + 1u),
        server_(
            options(), [this](ClientId to, Bytes wire) { return take(to, wire); }, most_, [this] { return memory_; }) {
    for (Peer& peer : peers_) open(peer, peer_number(peer) == kReader ? Access::read : Access::all);
  }

  void run(Reader& in) {
    for (std::size_t steps = 0; in.remaining() > 0 && steps < kMostSteps; ++steps) {
      step(in);
      server_.work();
      if (memory_) had_ = server_.sas();
      MUST(server_.sas() <= most_);
    }
    for (Peer& peer : peers_) drain(peer);
    for (const Peer& peer : peers_) MUST(peer.gone || all_answered(peer));
    MUST(followed_ == news_.size());
    empty();
  }

 private:
  enum Action : std::uint8_t {
    kAsk,
    kSpoilt,
    kNoise,
    kRoom,
    kFlush,
    kTime,
    kLongTime,
    kAttend,
    kAcquire,
    kReopen,
    kGone,
    kMany,
    kMemory,
  };
  static constexpr std::size_t kPacker = 1, kReader = 2, kListener = 3, kWitness = 4;

  static engine::Options options() {
    engine::Options o;
    o.is_local = [](const Address& a) { return a.octets[3] == std::byte{1}; };
    o.random = [n = std::uint32_t{0}]() mutable { return n += 0x9e3779b9; };
    return o;
  }

  std::size_t peer_number(const Peer& peer) const { return static_cast<std::size_t>(&peer - peers_.data()); }

  void open(Peer& peer, Access access) {
    peer = {.id = server_.open(access), .access = access, .pid = ++last_pid_, .asked = {}};
    by_id_[peer.id] = &peer;
  }

  void step(Reader& in) {
    const auto op = number<std::uint8_t>(in);
    Peer& peer = peers_[(op >> 4) % kListener];
    switch (static_cast<Action>((op & 15u) % 13)) {
      case kAsk:
        return ask(peer, made(in));
      case kSpoilt:
        return spoilt(peer, made(in), in);
      case kNoise:
        return strange(peer, in.take(std::min<std::size_t>(number<std::uint8_t>(in), in.remaining())));
      case kRoom: {
        Peer& whose = peers_[(op >> 4) % kWitness];
        const auto room = number<std::uint8_t>(in);
        whose.room = room == UINT8_MAX ? kEndless : room;
        return flush(whose);
      }
      case kFlush:
        return flush(peers_[(op >> 4) % kWitness]);
      case kTime:
      case kLongTime:
        return wait(number<std::uint8_t>(in) * ((op & 15u) == kTime ? 1 : 600));
      case kAttend:
        return server_.attend(now_);
      case kAcquire:
        return acquire(number<std::uint8_t>(in));
      case kReopen:
        return reopen(peer, number<std::uint16_t>(in));
      case kGone:
        peer.gone = true;
        return;
      case kMany: {
        const Message m = made(in);
        if (peer_number(peer) == kPacker) return ask_at_once(peer, m, number<std::uint8_t>(in));
        for (std::size_t i = std::size_t{number<std::uint8_t>(in)} * 8; i > 0; --i) ask(peer, m.clone());
        return;
      }
      case kMemory:
        memory_ = !memory_;
        return;
    }
  }

  // ---- requests

  void ask(Peer& peer, Message&& m) {
    m.pid = peer.pid, m.seq = last_seq_ + 1;
    const auto size = pfkey::encode(m, scratch_);
    if (!size) return;
    if (peer_number(peer) == kPacker) pfkey::packs::set_mark(scratch_, pfkey::packs::kClient);
    give(peer, m, Bytes(scratch_).first(*size));
  }

  // In one packet, whose end may be cut off.
  void ask_at_once(Peer& peer, const Message& m, std::size_t count) {
    Wire packet;
    std::deque<Peer::Asked> asked;
    for (; count > 0 && packet.size() < pfkey::packs::kMost / 2 && requests_ < kMostRequests; --count) {
      Message one = m.clone();
      one.pid = peer.pid, one.seq = ++last_seq_;
      const auto size = pfkey::encode(one, scratch_);
      if (!size) return;
      pfkey::packs::set_mark(scratch_, pfkey::packs::kClient);
      packet.insert(packet.end(), scratch_.begin(), scratch_.begin() + static_cast<std::ptrdiff_t>(*size));
      asked.push_back({.seq = one.seq, .done = m.type == Type::acquire, .dump = m.type == Type::dump});
      ++requests_;
    }
    peer.nosy |= m.type == Type::x_promisc || m.type == Type::reg;
    for (Bytes rest = packet; !rest.empty() && server_.wants(peer.id).read; asked.pop_front()) {
      peer.asked.push_back(asked.front());
      const std::size_t taken = server_.receive(peer.id, rest, now_);
      MUST(taken > 0 && taken <= rest.size());
      rest = rest.subspan(taken);
    }
    server_.put_rules_into_force();
    server_.send_packs();
  }

  void give(Peer& peer, const Message& m, Bytes wire) {
    if (!server_.wants(peer.id).read || requests_ >= kMostRequests) return;
    ++requests_, last_seq_ = m.seq;
    peer.nosy |= m.type == Type::x_promisc || m.type == Type::reg;
    // Only the notice that there will be no SA gets no answer.
    peer.asked.push_back({.seq = m.seq, .done = m.type == Type::acquire, .dump = m.type == Type::dump});
    receive(peer, wire);
  }

  void receive(const Peer& peer, Bytes wire) {
    const std::size_t sas = server_.sas(), news = news_.size();
    Bytes rest = wire;
    do rest = rest.subspan(server_.receive(peer.id, rest, now_));
    while (!rest.empty());
    server_.send_packs();
    if (peer.access == Access::read) MUST(server_.sas() == sas && news_.size() == news);
    if (!memory_) MUST(server_.sas() <= had_);
  }

  // Changes some of its octets, except those that identify the sender.
  void spoilt(Peer& peer, Message&& m, Reader& in) {
    m.pid = peer.pid, m.seq = last_seq_ + 1;
    Wire wire(scratch_.begin(), scratch_.begin() + static_cast<std::ptrdiff_t>(pfkey::encode(m, scratch_).value_or(0)));
    for (int i = number<std::uint8_t>(in) % 4; i >= 0 && !wire.empty(); --i) {
      const std::size_t at = number<std::uint16_t>(in) % wire.size();
      const auto value = static_cast<std::byte>(number<std::uint8_t>(in));
      if (at < 8 || at >= pfkey::kHeaderSize) wire[at] = value;
    }
    const auto read = pfkey::decode(wire);
    if (read) return give(peer, *read, wire);
    strange(peer, wire);
  }

  // A malformed message may lack the sender's number, so nothing else is sent with it.
  void strange(Peer& peer, Bytes wire) {
    if (pfkey::decode(wire) || peer.gone) return;
    peer.room = kEndless;
    drain(peer);
    const std::size_t heard = peer.heard;
    answers_anything_ = &peer;
    receive(peer, wire);
    if (of_policy(wire))
      while (server_.wants(peer.id).write) flush(peer);
    answers_anything_ = nullptr;
    MUST(peer.heard > heard);
  }

  // ---- received messages

  Sent take(ClientId to, Bytes wire) {
    Peer& peer = *by_id_.at(to);
    if (peer.gone) return Sent::gone;
    if (wire.size() > peer.longest) return Sent::too_long;
    if (peer.room == 0) return Sent::full;
    if (peer.room != kEndless) --peer.room;
    peer.octets += wire.size();
    MUST(peer_number(peer) == kPacker || pfkey::packs::first_size(wire) == wire.size());
    for (std::size_t size = 0; !wire.empty(); wire = wire.subspan(size), ++peer.heard) {
      size = pfkey::packs::first_size(wire);
      largest_ = std::max(largest_, size);
      hear(peer, wire.first(size));
    }
    return Sent::done;
  }

  void hear(Peer& peer, Bytes wire) {
    if (of_policy(wire)) {  // Only the sender of such a request gets it.
      MUST(pfpolicy::decode(wire));
      MUST(&peer == answers_anything_);
      return;
    }
    const auto m = pfkey::decode(wire);
    MUST(m);
    MUST(peer.access == Access::all || !has_keys(*m));
    if (peer_number(peer) == kWitness) news_.emplace_back(wire.begin(), wire.end());
    if (peer_number(peer) == kListener) follow(*m, wire);
    if (m->pid == peer.pid) return answer(peer, *m);
    if (peer.nosy || &peer == answers_anything_) return;
    MUST(!is_private(m->type) && !has_keys(*m));
    MUST(m->type != Type::acquire && m->type != Type::reg);
  }

  static void answer(Peer& peer, const Message& m) {
    if (m.type == Type::dump && m.seq == 0) {  // The end of one, which may be all of it.
      const auto ended = std::ranges::find(peer.asked, false, &Peer::Asked::done);
      MUST(ended != peer.asked.end() && ended->dump);
      ended->done = true;
      return;
    }
    MUST(m.seq >= peer.answered);
    peer.answered = m.seq;
    for (; !peer.asked.empty() && peer.asked.front().seq < m.seq; peer.asked.pop_front()) MUST(peer.asked.front().done);
    if (peer.asked.empty() || peer.asked.front().seq != m.seq) return;
    // An SA of a DUMP, or the notice that it is too long, is not the end of the DUMP.
    Peer::Asked& asked = peer.asked.front();
    asked.done |= !asked.dump || (m.error != 0 && m.error != EMSGSIZE);
  }

  static bool all_answered(const Peer& peer) { return std::ranges::all_of(peer.asked, &Peer::Asked::done); }

  // The listener receives what the witness received, or a notice of how much is missing here.
  void follow(const Message& m, Bytes wire) {
    if (const auto lost = pfkey::messages_lost(m)) {
      MUST(*lost > 0);
      followed_ += *lost;
    } else {
      MUST(followed_ < news_.size() + 1);
      behind_.push_back({followed_++, Wire(wire.begin(), wire.end())});
    }
    // The witness may receive the same one after the listener.
    while (!behind_.empty() && behind_.front().first < news_.size()) {
      MUST(news_[behind_.front().first] == behind_.front().second);
      behind_.pop_front();
    }
  }

  // ---- the rest

  void flush(Peer& peer) {
    const std::size_t heard = peer.heard, octets = peer.octets;
    server_.flush(peer.id);
    server_.send_packs();
    // The waiting messages, a round of a DUMP, and what a request may add beyond the limit.
    constexpr std::size_t kTurn = 64, kMore = 8;
    MUST(peer.heard - heard <= Outbox::kBroadcasts + Outbox::kReplies + kTurn + kMore);
    MUST(peer.octets - octets <= Outbox::kBroadcastBytes + Outbox::kReplyBytes + (kTurn + kMore) * largest_);
  }

  void drain(Peer& peer) {
    peer.room = kEndless;
    do {
      server_.work();
      while (server_.wants(peer.id).write) flush(peer);
    } while (server_.busy());
    MUST(peer.gone || server_.wants(peer.id) == (Wants{.read = true, .write = false}));
    MUST(peer.gone || all_answered(peer));
  }

  void wait(int seconds) {
    now_ = now_ + std::chrono::seconds(seconds);
    // In portions; one SA can have several limits.
    auto deadline = server_.deadline();
    for (std::size_t portions = 0; deadline && *deadline <= now_.steady; deadline = server_.deadline()) {
      MUST(++portions < 20);
      server_.expire(now_);
      server_.send_packs();
    }
    server_.expire(now_);
  }

  void acquire(unsigned last) {
    engine::Wanted wanted;
    wanted.satype = last % 2 == 0 ? pfkey::SaType::ah : pfkey::SaType::esp;
    wanted.src.address.octets = {std::byte{192}, std::byte{0}, std::byte{2}, std::byte{1}};
    wanted.dst.address.octets = {std::byte{192}, std::byte{0}, std::byte{2}, static_cast<std::byte>(last)};
    server_.acquire(wanted, now_);
  }

  // The new client's socket may accept only short messages; an error always fits.
  void reopen(Peer& peer, std::size_t longest) {
    const std::size_t before = server_.clients();
    const Access access = peer.access;
    by_id_.erase(peer.id);
    server_.close(peer.id);
    MUST(server_.clients() == before - 1);
    open(peer, access);
    peer.longest = std::max<std::size_t>(longest, 256);
  }

  void empty() {
    Peer& peer = peers_[0];
    reopen(peer, UINT16_MAX);
    requests_ = 0, memory_ = true;
    ask(peer, engine::testing::request(Type::flush, pfkey::SaType::unspec));
    drain(peer);
    MUST(all_answered(peer) && server_.sas() == 0);
    const std::size_t heard = peer.heard;
    ask(peer, engine::testing::request(Type::dump, pfkey::SaType::unspec));
    drain(peer);
    MUST(peer.heard == heard + 1);
  }

  std::size_t most_;
  bool memory_ = true;
  std::size_t had_ = 0;  // The number of SAs when memory was last available.
  std::array<Peer, 5> peers_;
  std::map<ClientId, Peer*> by_id_;
  std::uint32_t last_pid_ = 1000, last_seq_ = 0;
  std::size_t requests_ = 0, largest_ = 0;
  const Peer* answers_anything_ = nullptr;
  Wire scratch_ = Wire(20'000);                      // Enough for everything that is created.
  std::vector<Wire> news_;                           // Everything that the witness received.
  std::size_t followed_ = 0;                         // How much of it the listener received or knows that it missed.
  std::deque<std::pair<std::size_t, Wire>> behind_;  // Messages that it received and that were not compared yet.
  Instant now_ = engine::testing::at(0);
  Server server_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  World(in).run(in);
  return 0;
}
