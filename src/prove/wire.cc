// How messages become octets, and reversed:
// 1. write_head() and read_head() have what all of them begin with.
// 2. fields() lists the fields of each message once, in order.
// 3. A Codec over a Writer writes them, one over a Reader reads and checks them.
// 4. Counters follow a Tell while there is room.
// 5. A question is filled up with zeros to kTalk octets; an answer is as long as it needs to be.
#include "prove/wire.h"

#include <algorithm>
#include <concepts>

#include "base/cast.h"

namespace ipseckey::prove {
namespace {

constexpr std::string_view kMagic = "IPSPROVE";
constexpr std::uint8_t kVersion = 1;
static_assert(kHead == kMagic.size() + 2 + 2 * std::tuple_size_v<Marker>);
constexpr std::size_t kLongestName = 40;

// One value in either direction. A reader also checks it.
template <class Stream>
struct Codec {
  static constexpr bool kReads = std::same_as<Stream, Reader>;
  Stream& stream;

  template <class T>
  void number(T& value) {
    stream.net(value);
  }
  void flag(bool& value) {
    std::uint8_t octet = value;
    stream.net(octet);
    if constexpr (kReads) {
      if (octet > 1) stream.fail();
      value = octet == 1;
    }
  }
  void address(Address& a) {
    bool six = a.family == Family::v6;
    flag(six);
    a.family = six ? Family::v6 : Family::v4;
    stream.bytes(a.octets);
    if constexpr (kReads)
      if (!std::ranges::all_of(std::span(a.octets).subspan(a.size()), [](std::byte b) { return b == std::byte{0}; }))
        stream.fail();
  }
  void maybe(std::optional<Address>& a) {
    bool there = a.has_value();
    flag(there);
    Address some = a.value_or(Address());
    address(some);
    if constexpr (kReads) a = there ? std::optional(some) : std::nullopt;
  }
  void text(std::string& value) {
    auto size = static_cast<std::uint8_t>(value.size());
    stream.net(size);
    if constexpr (kReads) {
      if (size == 0 || size > kLongestName) stream.fail();
      value = std::string(chars_of(stream.take(stream.ok() ? size : 0)));
      if (!std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; })) stream.fail();
    } else {
      stream.bytes(std::as_bytes(std::span(value)));
    }
  }
};

template <class C>
void fields(C c, Ask& a) {
  c.number(a.out_spi), c.number(a.in_spi);
  c.address(a.wanted.address), c.number(a.wanted.length);
  c.address(a.from), c.address(a.to), c.address(a.outer);
  c.number(a.protocol), c.number(a.from_port), c.number(a.to_port);
}

template <class C>
void fields(C c, SaThere& sa) {
  c.flag(sa.held), c.flag(sa.was_held), c.flag(sa.outbound);
  c.number(sa.type), c.number(sa.auth), c.number(sa.encrypt), c.number(sa.icv_bits);
  c.flag(sa.tunnel), c.flag(sa.udp), c.number(sa.window), c.number(sa.fate), c.number(sa.objections);
}

template <class C>
void fields(C c, RuleThere& rule) {
  auto octet = static_cast<std::uint8_t>(rule);
  c.number(octet);
  if constexpr (C::kReads)
    if (octet > static_cast<std::uint8_t>(RuleThere::missing)) c.stream.fail();
  rule = static_cast<RuleThere>(octet);
}

template <class C>
void fields(C c, Tell& t) {
  c.address(t.seen_from), c.maybe(t.mine), c.number(t.time);
  fields(c, t.to_you), fields(c, t.to_me);
  fields(c, t.in_rule), fields(c, t.out_rule);
  c.number(t.out_spi), c.number(t.protected_seen), c.number(t.other_spi), c.number(t.last_number);
  c.number(t.clear_seen), c.number(t.answers_clear), c.maybe(t.protected_from);
  c.number(t.received), c.number(t.of_marker);
}

constexpr std::size_t size_of(const std::string& name) { return 1 + name.size() + sizeof(std::uint64_t); }

}  // namespace

void write_head(MutableBytes out, const Head& head) {
  Writer w(out);
  w.bytes(std::as_bytes(std::span(kMagic)));
  w.net(kVersion), w.net(static_cast<std::uint8_t>(head.kind));
  w.bytes(head.run), w.bytes(head.marker);
}

std::optional<Head> read_head(Bytes in) {
  Reader r(in);
  if (chars_of(r.take(kMagic.size())) != kMagic) return std::nullopt;
  std::uint8_t version = 0, kind = 0;
  Head head;
  r.net(version), r.net(kind);
  r.bytes(head.run), r.bytes(head.marker);
  head.kind = static_cast<Kind>(kind);
  if (!r.ok() || version != kVersion || kind < 1 || kind > static_cast<std::uint8_t>(Kind::clear)) return std::nullopt;
  return head;
}

std::vector<std::byte> write_ask(const Head& head, const Ask& ask) {
  std::vector<std::byte> out(kTalk);
  write_head(out, head);
  Writer w(MutableBytes(out).subspan(kHead));
  Ask copy = ask;
  fields(Codec<Writer>{w}, copy);
  return out;
}

std::optional<Ask> read_ask(Bytes datagram) {
  if (datagram.size() != kTalk) return std::nullopt;
  Reader r(datagram.subspan(kHead));
  Ask ask;
  fields(Codec<Reader>{r}, ask);
  if (!r.ok() || ask.wanted.length > ask.wanted.address.bits() || ask.from.family != ask.to.family) return std::nullopt;
  return ask;
}

std::vector<std::byte> write_tell(const Head& head, const Tell& tell) {
  std::vector<std::byte> out(kMostTell);
  write_head(out, head);
  Writer w(MutableBytes(out).subspan(kHead));
  Tell copy = tell;
  fields(Codec<Writer>{w}, copy);
  std::size_t room = kMostTell - kHead - w.size() - 1;
  std::vector<std::pair<std::string, std::uint64_t>> shown;
  for (const auto& [name, value] : tell.counters) {
    if (value == 0 || name.empty() || name.size() > kLongestName || size_of(name) > room || shown.size() == 255)
      continue;
    room -= size_of(name);
    shown.emplace_back(name, value);
  }
  const auto count = static_cast<std::uint8_t>(shown.size());
  w.net(count);
  for (auto& [name, value] : shown) Codec<Writer>{w}.text(name), w.net(value);
  out.resize(kHead + w.size());
  return out;
}

std::optional<Tell> read_tell(Bytes datagram) {
  if (datagram.size() < kHead || datagram.size() > kMostTell) return std::nullopt;
  Reader r(datagram.subspan(kHead));
  Tell tell;
  fields(Codec<Reader>{r}, tell);
  std::uint8_t count = 0;
  r.net(count);
  for (; count > 0 && r.ok(); --count) {
    std::string name;
    std::uint64_t value = 0;
    Codec<Reader>{r}.text(name);
    r.net(value);
    tell.counters[std::move(name)] = value;
  }
  if (!r.ok() || r.remaining() != 0) return std::nullopt;
  return tell;
}

}  // namespace ipseckey::prove
