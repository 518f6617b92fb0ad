// 1. A record is a version, then the fields of a structure one after another, in host order: it does not leave the
// host.
// 2. There is one list of fields for each structure, fields(), for both ways: Out appends them, In takes them off.
// 3. An optional part is preceded by whether it is there, a list by its length.
// 4. A record must be read to its end, and valid() rejects values that no rule has.
#include "kernel/detail/rule_record.h"

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/cast.h"

namespace ipseckey::kernel {
namespace {

using namespace policy;

constexpr std::uint8_t kVersion = 2;  // Version 1 has no SPI.

class Out {
 public:
  template <std::unsigned_integral T>
  void number(T& v) {
    for (const std::byte b : std::as_bytes(std::span(&v, 1))) text_ += static_cast<char>(b);
  }
  void bytes(MutableBytes octets) {
    for (const std::byte b : octets) text_ += static_cast<char>(b);
  }
  void size(std::uint32_t& n) { number(n); }
  std::uint8_t version() const { return kVersion; }
  bool ok() const { return true; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class In {
 public:
  explicit In(const std::string& text) : reader_(std::as_bytes(std::span(text))) { number(version_); }
  std::uint8_t version() const { return version_; }
  template <std::unsigned_integral T>
  void number(T& v) {
    reader_.host(v);
  }
  void bytes(MutableBytes octets) { reader_.bytes(octets); }
  // Nothing has more parts than there are bytes.
  void size(std::uint32_t& n) {
    number(n);
    if (n > reader_.remaining()) reader_.fail(), n = 0;
  }
  bool ok() const { return reader_.ok(); }
  bool complete() const { return reader_.ok() && reader_.remaining() == 0; }

 private:
  Reader reader_;
  std::uint8_t version_ = 0;
};

template <class Io, std::unsigned_integral T>
  requires(!std::same_as<T, bool>)
void fields(Io& io, T& v) {
  io.number(v);
}
template <class Io>
void fields(Io& io, bool& v) {
  std::uint8_t octet = v;
  io.number(octet);
  v = octet != 0;
}
template <class Io, class T>
  requires std::is_enum_v<T>
void fields(Io& io, T& v) {
  auto number = static_cast<std::underlying_type_t<T>>(v);
  io.number(number);
  v = static_cast<T>(number);
}
template <class Io>
void fields(Io& io, std::int32_t& v) {
  auto number = static_cast<std::uint32_t>(v);
  io.number(number);
  v = static_cast<std::int32_t>(number);
}
template <class Io>
void fields(Io& io, std::string& v) {
  auto size = static_cast<std::uint32_t>(v.size());
  io.size(size);
  v.resize(size);
  io.bytes(std::as_writable_bytes(std::span(v)));
}
template <class Io, class T>
void fields(Io& io, std::optional<T>& v) {
  bool there = v.has_value();
  fields(io, there);
  if (there && !v) v.emplace();
  if (there) fields(io, *v);
}
template <class Io, class T>
void fields(Io& io, std::vector<T>& v) {
  auto size = static_cast<std::uint32_t>(v.size());
  io.size(size);
  v.resize(size);
  for (T& part : v) fields(io, part);
}

template <class Io, class... Parts>
void all(Io& io, Parts&... parts) {
  (fields(io, parts), ...);
}

template <class Io>
void fields(Io& io, Address& a) {
  fields(io, a.family);
  io.bytes(a.octets);
}
template <class Io>
void fields(Io& io, Prefix& p) {
  all(io, p.address, p.length);
}
template <class Io>
void fields(Io& io, NumberRange& r) {
  all(io, r.first, r.last);
}
template <class Io>
void fields(Io& io, Selector& s) {
  all(io, s.local, s.remote, s.local_port, s.remote_port, s.protocol, s.icmp_type, s.icmp_code);
}
template <class Io>
void fields(Io& io, Choice& c) {
  all(io, c.number, c.min_bits, c.max_bits);
}
template <class Io>
void fields(Io& io, TunnelEnds& e) {
  all(io, e.local, e.remote);
}
template <class Io>
void fields(Io& io, Protection& p) {
  all(io, p.ah, p.cipher, p.integrity, p.unique, p.may_be_clear, p.reqid, p.ends);
  if (io.version() >= 2) all(io, p.spi);
}
template <class Io>
void fields(Io& io, Alternative& a) {
  all(io, a.action, a.protection);
}
template <class Io>
void fields(Io& io, Tunnel& t) {
  all(io, t.name, t.whole_packets);
}
template <class Io>
void fields(Io& io, pfkey::Mark& m) {
  all(io, m.value, m.mask);
}
template <class Io>
void fields(Io& io, Rule& r) {
  all(io, r.selector, r.out, r.in, r.tunnel, r.alternatives, r.mark, r.if_id);
}
template <class Io>
void fields(Io& io, MaskedPort& p) {
  all(io, p.value, p.mask);
}
template <class Io>
void fields(Io& io, XfrmSelector& s) {
  all(io, s.source, s.destination, s.source_port, s.destination_port, s.protocol, s.device, s.user);
}
template <class Io>
void fields(Io& io, XfrmPolicyName& n) {
  all(io, n.direction, n.selector, n.mark, n.mark_mask, n.if_id);
}

template <class T>
std::string write(T value) {
  Out out;
  std::uint8_t version = kVersion;
  out.number(version);
  fields(out, value);
  return out.take();
}

template <class T>
std::optional<T> read(const std::string& record) {
  In in(record);
  const bool known = in.version() >= 1 && in.version() <= kVersion;
  T value;
  if (known) fields(in, value);
  return known && in.complete() ? std::optional(std::move(value)) : std::nullopt;
}

bool valid(const Prefix& p) { return p.address.family <= Family::v6 && p.length <= p.address.bits(); }
bool valid(const std::optional<Prefix>& p) { return !p || valid(*p); }

bool valid(const Rule& r) {
  const auto action = [](const Alternative& a) { return a.action <= Action::ipsec; };
  return valid(r.selector.local) && valid(r.selector.remote) && !r.alternatives.empty() &&
         std::ranges::all_of(r.alternatives, action);
}

}  // namespace

std::string record_of(const Rule& rule) { return write(rule); }
std::string record_of(const XfrmPolicyName& name) { return write(name); }

std::optional<Rule> rule_of(const std::string& record) {
  auto rule = read<Rule>(record);
  return rule && valid(*rule) ? std::move(rule) : std::nullopt;
}

std::optional<XfrmPolicyName> name_of(const std::string& record) {
  auto name = read<XfrmPolicyName>(record);
  const bool good = name && name->direction <= XfrmDirection::fwd && valid(name->selector.source) &&
                    valid(name->selector.destination);
  return good ? name : std::nullopt;
}

}  // namespace ipseckey::kernel
