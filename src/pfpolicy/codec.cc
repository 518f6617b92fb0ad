#include "pfpolicy/codec.h"

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <string>
#include <type_traits>

#include "pfpolicy/extensions.h"
#include "pfpolicy/fields.h"

namespace ipseckey::pfpolicy {
namespace {

constexpr std::size_t kUnit = 8;
constexpr std::size_t kLengthAt = 4;

template <class Io>
void header(Io& io, wire::Is<Message> auto& m, std::uint8_t& version, std::uint16_t& units) {
  auto type = static_cast<std::uint8_t>(m.type), spd = static_cast<std::uint8_t>(m.spd);
  auto diagnostic = static_cast<std::uint16_t>(m.diagnostic);
  io.host(version);
  io.host(type);
  io.host(m.error);
  io.host(spd);
  io.host(units);
  io.host(diagnostic);
  io.host(m.seq);
  io.host(m.pid);
  if constexpr (wire::kReads<Io>) {
    m.type = static_cast<Type>(type);
    m.spd = static_cast<Spd>(spd);
    m.diagnostic = static_cast<Diagnostic>(diagnostic);
  }
}

Diagnostic read_extension(Reader& in, Message& m) {
  std::uint16_t units = 0, id = 0;
  in.host(units);
  in.host(id);
  if (!in.ok() || units == 0) return Diagnostic::bad_extlen;
  const auto row = std::ranges::find(extensions(), id, &Extension::id);
  if (row == extensions().end()) return Diagnostic::unknown_ext;
  Reader body(in.take(units * kUnit - 4));
  if (!in.ok()) return Diagnostic::bad_extlen;
  bool repeated = false;
  std::visit(
      [&](auto member) {
        auto& slot = m.*member;
        repeated = slot.has_value();
        if (!repeated) wire::fields(body, slot.emplace());
      },
      row->slot);
  if (repeated) return row->duplicate;
  return body.ok() && body.remaining() < kUnit ? Diagnostic::none : row->malformed;
}

bool survives(const auto& /*extension*/) { return true; }
bool survives(const Text& x) { return !x.text.contains('\0'); }
bool survives(const Dropped& x) { return !x.why.contains('\0'); }
bool survives(const ActionList& x) { return x.attributes.size() <= UINT16_MAX; }

}  // namespace

Message Message::header() const {
  Message m;
  m.type = type, m.error = error, m.spd = spd, m.diagnostic = diagnostic, m.seq = seq, m.pid = pid;
  return m;
}

std::expected<Message, Malformed> decode(Bytes wire) {
  Message m;
  std::uint8_t version = 0;
  std::uint16_t units = 0;
  Reader in(wire);
  header(in, m, version, units);
  const auto refused = [&](int error, Diagnostic why) {
    return std::unexpected(Malformed{static_cast<std::uint8_t>(error), why, m.header()});
  };
  if (!in.ok()) return refused(EINVAL, Diagnostic::none);
  if (version != kVersion) return refused(EPROTONOSUPPORT, Diagnostic::none);
  if (units * kUnit != wire.size()) return refused(EMSGSIZE, Diagnostic::none);
  while (in.remaining() > 0)
    if (const Diagnostic why = read_extension(in, m); why != Diagnostic::none) return refused(EINVAL, why);
  return m;
}

Result<std::size_t> encode(const Message& m, MutableBytes buffer) {
  Writer out(buffer);
  std::uint8_t version = kVersion;
  std::uint16_t units = 0;
  header(out, m, version, units);
  bool fits = true;
  for (const Extension& row : extensions())
    std::visit(
        [&](auto member) {
          if (!(m.*member)) return;
          fits = fits && survives(*(m.*member));
          const std::size_t start = out.size();
          out.host(std::uint16_t{0});
          out.host(row.id);
          wire::fields(out, *(m.*member));
          out.pad((kUnit - (out.size() - start) % kUnit) % kUnit);
          const std::size_t length = (out.size() - start) / kUnit;
          fits = fits && length <= UINT16_MAX;
          out.patch(start, static_cast<std::uint16_t>(length));
        },
        row.slot);
  fits = fits && out.size() <= kMaxMessageSize;
  out.patch(kLengthAt, static_cast<std::uint16_t>(out.size() / kUnit));
  if (!out.ok() || !fits) return fail(Errc::invalid, "the PF_POLICY message does not fit its buffer");
  return out.size();
}

}  // namespace ipseckey::pfpolicy
