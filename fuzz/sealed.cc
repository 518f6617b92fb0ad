// Packets from somebody who has the keys: whatever the input contains is sealed, so that it passes the ICV, under every
// kind of SA, with a replay window and extended numbers. The expected result of each is computed here from RFC 4303 and
// the set of all numbers that were accepted.
//
// An input: the direction, the shape, the window, the last number so far; then steps, an octet each, with their
// operands.
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "crypto/crypto.h"
#include "let_in.h"
#include "must.h"
#include "script.h"
#include "traffic/detail/wrap.h"
#include "traffic/header.h"
#include "traffic/testing.h"

using namespace ipseckey;
using namespace traffic;
using namespace traffic::testing;

namespace {

constexpr std::uint32_t kSpi = 0x100;
constexpr std::size_t kMostSteps = 400, kMostPackets = 256, kBatch = 8;

constexpr std::array kWays = {
    Wish{.encrypt = 20},
    Wish{.encrypt = 12, .auth = 5},
    Wish{.encrypt = 13, .auth = 5},
    Wish{.encrypt = 16},
    Wish{.encrypt = 31},
    Wish{.encrypt = 23},
    Wish{.encrypt = 11, .auth = 3},
    Wish{.encrypt = 18},
    Wish{.encrypt = 0, .auth = 5},
    Wish{.encrypt = 0, .auth = 9},
    // With an ICV length other than the RFC's.
    Wish{.encrypt = 12, .auth = 5, .icv = 96},
    Wish{.encrypt = 11, .auth = 7, .icv = 512},
    Wish{.encrypt = 0, .auth = 5, .icv = 96},
    Wish{.encrypt = 0, .auth = 9, .icv = 128},
};
enum Shapes : std::uint8_t { kTunnel = 1, kInUdp = 2, kEsn = 4, kV6 = 8, kInner6 = 16 };

void same_iv(MutableBytes out) { std::ranges::fill(out, std::byte{1}); }

Wish wish_of(Reader& in) {
  Wish wish = kWays[number<std::uint8_t>(in) % kWays.size()];
  const auto shape = number<std::uint8_t>(in);
  wish.tunnel = shape & kTunnel, wish.udp = shape & kInUdp, wish.esn = shape & kEsn;
  if (shape & kV6) wish.src = "2001:db8::1", wish.dst = "2001:db8::2";
  if (shape & kInner6) wish.inner_src = "fd01::", wish.inner_dst = "fd02::";
  wish.window = number<std::uint16_t>(in) % (ReplayWindow::kMost + 1);
  return wish;
}

struct Sent {
  Octets packet;
  std::uint64_t number = 0;
  Octets text;                   // For ESP, with the trailer; for AH, its payload.
  std::uint8_t next = 0;         // The next header that AH names.
  bool intact = true;            // Nobody changed it on the way.
  std::optional<Octets> inside;  // Nothing is wrong with it: this is the expected result.
};

// The result for one packet of a call.
struct Fate {
  const Sent* sent;
  std::uint64_t number = 0;
  Cause cause = Cause::none;
  bool right = false;
  bool counted = false;  // Among the failures, before the call ends.
};

class Session {
 public:
  explicit Session(Reader& in)
      : wish_(wish_of(in)),
        start_(number<std::uint64_t>(in) & (wish_.esn ? UINT64_MAX >> 2 : UINT32_MAX)),
        model_(wish_.window, wish_.esn, start_),
        host_({.workers = 1, .mtu = 1500, .random = same_iv}) {}

  // False: the engine does not accept such an SA.
  bool begin() {
    Message m = add(kSpi, wish_);
    if (start_ != 0) m.replay_value = pfkey::ReplayValue::of(start_);
    if (m.encrypt_key) encrypt_key_ = m.encrypt_key->material.clone();
    if (m.auth_key) auth_key_ = m.auth_key->material.clone();
    suite_ = {.encrypt = pfkey::find_algorithm(pfkey::AlgorithmKind::encrypt, wish_.encrypt),
              .auth = pfkey::find_algorithm(pfkey::AlgorithmKind::auth, wish_.auth),
              .encrypt_key = &encrypt_key_,
              .auth_key = &auth_key_,
              .truncated = wish_.icv / 8,
              .esn = wish_.esn};
    if (host_.add(std::move(m)) != engine::testing::kDone) return false;
    keyed_ = crypto::Keyed::make(suite_, crypto::Keyed::Way::seal);
    MUST(keyed_);
    return true;
  }

  void run(Reader& in) {
    for (std::size_t steps = 0; in.remaining() > 0 && steps < kMostSteps; ++steps) step(in);
    deliver();
    settle();
  }

 private:
  enum Action : std::uint8_t { kText, kPacket, kAgain, kSpoil, kDeliver, kSpoilMany };

  bool ah() const { return wish_.encrypt == 0; }
  std::uint8_t protocol() const { return wish_.udp ? kUdp : ah() ? kAh : kEsp; }
  bool v6() const { return parse_address(wish_.dst)->family == Family::v6; }

  void step(Reader& in) {
    const auto op = number<std::uint8_t>(in);
    switch (static_cast<Action>(op % 6)) {
      case kText: {
        const auto where = next_number(in);
        const auto next = number<std::uint8_t>(in);
        return text(where, next, in.take(std::min<std::size_t>(number<std::uint8_t>(in), in.remaining())));
      }
      case kPacket: {
        const auto where = next_number(in);
        return packet(where, number<std::uint8_t>(in));
      }
      case kAgain:
        return again(number<std::uint8_t>(in), false, 0);
      case kSpoil: {
        const auto which = number<std::uint8_t>(in);
        return again(which, true, number<std::uint16_t>(in));
      }
      case kDeliver:
        return deliver();
      case kSpoilMany: {
        const auto which = number<std::uint8_t>(in);
        for (std::uint32_t i = 0; i < Flow::kFailures; ++i) again(which, true, UINT16_MAX);
        return;
      }
    }
  }

  // Near the highest number, or a multiple of 2^32 away from it.
  std::uint64_t next_number(Reader& in) {
    const auto near = static_cast<std::int16_t>(number<std::uint16_t>(in));
    const auto far = static_cast<std::int8_t>(number<std::uint8_t>(in));
    const auto n = static_cast<std::int64_t>(model_.highest()) + near +
                   (wish_.esn ? far * static_cast<std::int64_t>(LetIn::kStep) : std::int64_t{far} << 24);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(n, 0)) & (wish_.esn ? UINT64_MAX : UINT32_MAX);
  }

  void text(std::uint64_t n, std::uint8_t next, Bytes text) {
    Sent sent{.packet = {}, .number = n, .text = {}, .next = next, .inside = {}};
    const std::size_t block = ah() ? 4 : suite_.block(), over = text.size() % block;
    sent.text.resize(over == 0 && !text.empty() ? 0 : block - over);
    sent.text.insert(sent.text.end(), text.begin(), text.end());
    send(std::move(sent));
  }

  // A datagram that the SA covers, with the right trailer.
  void packet(std::uint64_t n, std::size_t size) {
    const bool inner6 = parse_address(wish_.inner_dst)->family == Family::v6;
    Shape shape{.src = wish_.src, .dst = wish_.dst, .size = size};
    if (wish_.tunnel) shape.src = inner6 ? "fd01::1" : "10.1.0.1", shape.dst = inner6 ? "fd02::1" : "10.2.0.1";
    Sent sent{.packet = {}, .number = n, .text = {}, .next = kUdp, .inside = datagram(shape)};
    if (wish_.tunnel) sent.next = inner6 ? kIpv6 : kIpv4;
    const Bytes body = Bytes(*sent.inside).subspan(wish_.tunnel ? 0 : front());
    sent.text.assign(body.begin(), body.end());
    if (!ah()) {
      std::uint8_t padding = 0;
      while ((sent.text.size() + 2) % suite_.block() != 0) sent.text.push_back(static_cast<std::byte>(++padding));
      sent.text.push_back(static_cast<std::byte>(padding));
      sent.text.push_back(static_cast<std::byte>(sent.next));
    }
    send(std::move(sent));
  }

  std::size_t front() const { return header_size(parse_address(wish_.dst)->family); }
  std::size_t at() const { return front() + (wish_.udp ? 8 : 0); }  // Offset of ESP or AH.

  void send(Sent&& sent) {
    const std::size_t middle = ah() ? ah_size(v6() ? 8 : 4, suite_.icv()) : 8 + suite_.iv();
    sent.packet.resize(at() + middle + sent.text.size() + (ah() ? 0 : suite_.icv()));
    write_header(
        sent.packet,
        {.src = *parse_address(wish_.src), .dst = *parse_address(wish_.dst), .protocol = protocol(), .id = 0x1d1d},
        sent.packet.size());
    const MutableBytes all = sent.packet, own = all.subspan(at());
    if (wish_.udp) write_udp(all.subspan(front()), 4500, 4501, all.size() - front());
    std::ranges::copy(sent.text, own.subspan(middle).begin());
    set(own, ah() ? 4 : 0, kSpi);
    set(own, ah() ? 8 : 4, static_cast<std::uint32_t>(sent.number));
    if (ah()) {
      own[0] = static_cast<std::byte>(sent.next);
      own[1] = static_cast<std::byte>(middle / 4 - 2);
    }
    seal(all, own, static_cast<std::uint32_t>(sent.number >> 32));
    keep(std::move(sent));
  }

  void seal(MutableBytes all, MutableBytes own, std::uint32_t high) {
    if (!ah()) {
      crypto::Job job{.keyed = keyed_.get(),
                      .esp = own.first(own.size() - suite_.icv()),
                      .sequence_high = high,
                      .icv = own.last(suite_.icv())};
      crypto_.seal({&job, 1});
      MUST(job.ok);
      return;
    }
    Octets headers(front());
    MUST(immutable_headers(all.first(front()), headers));
    Octets after(4);
    set(after, 0, high);
    const std::array<Bytes, 3> parts = {headers, own, after};
    std::array<std::byte, 64> icv;
    const MutableBytes cut = MutableBytes(icv).first(suite_.icv());
    MUST(keyed_->mac(std::span(parts).first(wish_.esn ? 3 : 2), cut));
    std::ranges::copy(cut, own.subspan(kAhFixed).begin());
  }

  // Keeps the last ones for steps that send them again; packets that wait for delivery point to them.
  void keep(Sent&& sent) {
    if (sent_.size() == kMostPackets) {
      deliver();
      sent_.pop_front();
    }
    sent_.push_back(std::move(sent));
    wait(sent_.back());
  }

  void again(std::uint8_t which, bool spoil, std::uint16_t where) {
    if (sent_.empty()) return;
    Sent copy = sent_[which % sent_.size()];
    if (spoil && copy.intact) {
      const std::size_t from = at() + (ah() ? 8 : 4), bits = (copy.packet.size() - from) * 8;
      const std::size_t bit = where == UINT16_MAX ? bits - 1 : where % bits;
      if (ah() && v6() && bit / 8 >= 4 + suite_.icv() && bit / 8 < ah_size(8, suite_.icv()) - 8) return;  // Padding.
      copy.packet[from + bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      copy.intact = false, copy.inside.reset();
    }
    keep(std::move(copy));
  }

  void wait(const Sent& sent) {
    waiting_.push_back(&sent);
    if (waiting_.size() == kBatch) deliver();
  }

  void deliver() {
    std::vector<Fate> fates;
    for (const Sent* sent : std::exchange(waiting_, {})) fates.push_back({.sent = sent});
    foresee(fates);
    std::vector<Held> held;
    std::vector<Item> items;
    for (const Fate& fate : fates) held.emplace_back(fate.sent->packet);
    for (const Held& h : held) items.push_back(h.item);
    host_.worker.unprotect(items, engine::testing::at(0));
    for (std::size_t i = 0; i < items.size(); ++i) judge(fates[i], items[i]);
  }

  // In the order of a call: all numbers are queried, all ICVs are checked, then the numbers are recorded one by one.
  // Only AH of an SA that may have lost count is checked at once.
  void foresee(std::span<Fate> fates) {
    const Fate* trial = nullptr;
    for (Fate& f : fates) {
      f.number = model_.meant(get<std::uint32_t>(f.sent->packet, at() + (ah() ? 8 : 4)));
      f.cause = cause_of(model_.verdict(f.number));
      if (f.cause != Cause::none) continue;
      f.right = f.sent->intact && f.number == f.sent->number;
      const bool lost = wish_.esn && failures_ >= Flow::kFailures && !trial;
      if (ah() && lost) {
        if (!f.right) failures_ = 0, search(f);
        failures_ += !f.right, f.counted = true;
      } else if (lost) {
        failures_ = 0, trial = &f;
        if (!f.right) search(f);
      }
      if (!f.right) f.cause = Cause::corrupt;
    }
    for (const Fate& f : fates) failures_ += !f.counted && f.cause == Cause::corrupt;
    for (Fate& f : fates) {
      if (f.cause != Cause::none) continue;
      f.cause = cause_of(model_.verdict(f.number));
      failures_ = 0;
      if (f.cause == Cause::none) model_.mark(f.number);
    }
  }

  // RFC 4303 appendix A3.
  static void search(Fate& f) {
    for (std::uint32_t i = 0; i < Flow::kTries && !f.right; ++i) {
      f.number += LetIn::kStep;
      f.right = f.sent->intact && f.number == f.sent->number;
    }
  }

  static Cause cause_of(LetIn::Verdict verdict) {
    constexpr std::array kCausesOf = {Cause::none, Cause::replayed, Cause::late};  // In the order of Verdict.
    return kCausesOf[static_cast<std::size_t>(verdict)];
  }

  void judge(const Fate& f, const Item& item) {
    ++causes_[static_cast<std::size_t>(item.cause)];
    if (f.cause != Cause::none) {
      MUST(item.cause == f.cause);
      return;
    }
    const Cause trailer = ah() ? f.sent->next == kNoNext ? Cause::dummy : Cause::none : trailer_of(f.sent->text);
    if (trailer != Cause::none) {
      MUST(item.cause == trailer);
      return;
    }
    constexpr std::array kOfTheInside = {Cause::none, Cause::inner, Cause::congested, Cause::selector};
    MUST(std::ranges::find(kOfTheInside, item.cause) != kOfTheInside.end());
    MUST(!f.sent->inside || item.cause == Cause::none);
    if (item.cause != Cause::none) return;
    const Bytes got = item.packet.bytes();
    bytes_ += got.size();
    const auto h = parse(got);
    MUST(h && h->total == got.size());
    if (f.sent->inside) {
      MUST(same(got, *f.sent->inside));
      return;
    }
    // Exactly what was sealed: the packet in tunnel mode, otherwise the part after the headers.
    const Bytes text = f.sent->text, body = wish_.tunnel ? got : got.subspan(front());
    MUST(body.size() <= text.size());
    if (!wish_.tunnel && !wish_.udp) MUST(std::ranges::equal(body, text.first(body.size())));
    if (wish_.tunnel) MUST(std::ranges::equal(body.subspan(12), text.subspan(12, body.size() - 12)));
  }

  // RFC 4303 section 2.4: 1, 2, 3 ..., their number, and what precedes them.
  static Cause trailer_of(Bytes text) {
    const auto padding = std::to_integer<std::size_t>(text[text.size() - 2]);
    if (padding + 2 > text.size()) return Cause::padding;
    for (std::size_t i = 0; i < padding; ++i)
      if (text[text.size() - 3 - i] != static_cast<std::byte>(padding - i)) return Cause::padding;
    return text.back() == static_cast<std::byte>(kNoNext) ? Cause::dummy : Cause::none;
  }

  // Except the checksum of UDP that passed a NAT in transport mode.
  bool same(Bytes got, Bytes sent) const {
    const std::size_t sum = wish_.udp && !wish_.tunnel ? front() + 6 : got.size();
    if (got.size() != sent.size()) return false;
    const std::size_t behind = std::min(sum + 2, got.size());
    return std::ranges::equal(got.first(sum), sent.first(sum)) &&
           std::ranges::equal(got.subspan(behind), sent.subspan(behind));
  }

  // The counters account for everything that happened.
  void settle() const {
    const Totals totals = host_.plane.inbound();
    MUST(totals.packets == causes_[0] && totals.bytes == bytes_);
    for (std::size_t i = 1; i < kCauses; ++i) MUST(totals.drops[i] == causes_[i]);
    const auto count = [&](Cause cause) { return causes_[static_cast<std::size_t>(cause)]; };
    const auto c =
        host_.plane.carried({ah() ? pfkey::SaType::ah : pfkey::SaType::esp, kSpi, *parse_address(wish_.dst)});
    MUST(c && c->packets == causes_[0] && c->bytes == bytes_ && c->sequence == model_.highest());
    MUST(c->replayed == count(Cause::replayed) && c->late == count(Cause::late));
    MUST(c->corrupt == count(Cause::corrupt) && c->mismatched == count(Cause::selector));
    MUST(c->malformed == count(Cause::padding) + count(Cause::inner));
  }

  Wish wish_;
  std::uint64_t start_;
  LetIn model_;
  Host host_;
  Secret encrypt_key_, auth_key_;
  crypto::Suite suite_;
  std::unique_ptr<crypto::Keyed> keyed_;
  crypto::Crypto crypto_{same_iv};
  std::deque<Sent> sent_;
  std::vector<const Sent*> waiting_;
  std::uint32_t failures_ = 0;  // In a row.
  std::array<std::uint64_t, kCauses> causes_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reader in(std::as_bytes(std::span(data, size)));
  Session session(in);
  if (session.begin()) session.run(in);
  return 0;
}
