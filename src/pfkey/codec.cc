// How a message becomes bytes, and bytes a message:
// 1. header() reads or writes the first 16 bytes; the extensions follow in units of 8 bytes.
// 2. wire::extension_fields() of fields.h reads or writes the body of an extension, by its row in extensions.h.
// 3. decode() loops over the bytes: read_extension() finds the row, and refuses what is unknown, repeated or malformed.
// 4. encode() loops over the rows; changed_by_encoding() refuses values that the receiver would read as others.
#include "pfkey/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <string>
#include <string_view>

#include "pfkey/extensions.h"
#include "pfkey/fields.h"

namespace ipseckey::pfkey {
namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kUnit = 8;
constexpr std::size_t kLengthAt = 4;

template <class Io>
void header(Io& io, wire::Is<Message> auto& m, std::uint16_t& units) {
  auto version = kVersion;
  auto type = static_cast<std::uint8_t>(m.type), satype = static_cast<std::uint8_t>(m.satype);
  io.host(version);
  io.host(type);
  io.host(m.error);
  io.host(satype);
  io.host(units);
  io.host(m.diagnostic);
  io.host(m.seq);
  io.host(m.pid);
  if constexpr (std::same_as<Io, Reader>) {
    m.type = static_cast<Type>(type);
    m.satype = static_cast<SaType>(satype);
    if (version != kVersion) io.fail();
  }
}

const Extension* find(std::uint16_t id) {
  for (const Extension& row : extensions())
    if (row.id == id) return &row;
  return nullptr;
}

// GET and DUMP carry keys only in replies, which count the salt separately from the key.
bool keys_as_in_reply(Type type) { return type == Type::get || type == Type::dump; }

struct Fault {
  Diagnostic diagnostic;
  std::string text;
};

std::optional<Fault> read_extension(Reader& in, Message& m) {
  std::uint16_t units = 0, id = 0;
  in.host(units);
  in.host(id);
  const Extension* row = find(id);
  if (in.ok() && !row) return Fault{Diagnostic::unknown_ext, fmt::format("extension {} is unknown", id)};
  if (units == 0) return Fault{Diagnostic::bad_extlen, "the length of an extension is 0"};
  Reader body(in.take(units * kUnit - 4));
  if (!in.ok()) return Fault{Diagnostic::bad_extlen, "an extension runs past the end of the message"};

  bool repeated = false;
  std::visit(
      [&](auto member) {
        auto& slot = m.*member;
        repeated = slot.has_value();
        if (!repeated) wire::extension_fields(body, slot.emplace(), keys_as_in_reply(m.type));
      },
      row->slot);
  if (repeated) return Fault{row->duplicate, fmt::format("{} appears twice", row->name)};
  if (!body.ok()) return Fault{row->malformed, fmt::format("{} is too short or has a bad value", row->name)};
  return std::nullopt;
}

// Why a value would become another one on the wire, behind the extension's name; empty: it does not.
template <class T>
std::string changed_by_encoding(const T& /*value*/, bool /*reply*/) {
  return {};
}
std::string changed_by_encoding(const Key& key, bool reply) {
  const std::size_t said = wire::key_size(key, reply);
  if (key.material.size() == said) return {};
  return fmt::format("has a key of {} bytes, but its bits are those of {} bytes; give both the same length",
                     key.material.size(), said);
}
std::string changed_by_encoding(std::string_view text) {
  return text.contains('\0') ? "has a text with a NUL byte inside, where it would end; remove the byte" : "";
}
std::string changed_by_encoding(const Identity& x, bool /*reply*/) { return changed_by_encoding(x.text); }
std::string changed_by_encoding(const Offload& x, bool /*reply*/) { return changed_by_encoding(x.device); }
std::string changed_by_encoding(const Device& x, bool /*reply*/) { return changed_by_encoding(x.name); }
std::string changed_by_encoding(const Remark& x, bool /*reply*/) { return changed_by_encoding(x.text); }
std::string changed_by_encoding(const Sensitivity& x, bool /*reply*/) {
  return std::max(x.bitmap.size(), x.integrity_bitmap.size()) > UINT8_MAX
             ? "has more than 255 words of compartments; remove some"
             : "";
}
std::string changed_by_encoding(const ExtendedProposal& x, bool /*reply*/) {
  if (x.combinations.size() > UINT16_MAX) return "has more than 65535 combinations; remove some";
  const auto many = [](const ExtendedCombination& c) { return c.algorithms.size() > UINT8_MAX; };
  return std::ranges::any_of(x.combinations, many) ? "has more than 255 algorithms in a combination; remove some" : "";
}

// Key, salt and explicit IV are one value of the language, and of whoever joins them again (doc/reference/pf-key.md).
bool one_key_holds(const Message& m) {
  const std::size_t iv = m.initial_iv ? m.initial_iv->material.size() : 0;
  return !m.encrypt_key || m.encrypt_key->material.size() + iv <= Secret::kMaxSize;
}

}  // namespace

std::expected<Message, Malformed> decode(Bytes wire) {
  Message m;
  std::uint16_t units = 0;
  Reader in(wire);
  header(in, m, units);
  if (!in.ok()) return std::unexpected(Malformed{EINVAL, Diagnostic::none, "no PF_KEY v2 header", m.header()});
  if (units * kUnit != wire.size())
    return std::unexpected(
        Malformed{EMSGSIZE, Diagnostic::none,
                  fmt::format("{} bytes arrived, but the header says {}", wire.size(), units * kUnit), m.header()});
  while (in.remaining() > 0)
    if (auto fault = read_extension(in, m))
      return std::unexpected(Malformed{EINVAL, fault->diagnostic, std::move(fault->text), m.header()});
  if (!one_key_holds(m))
    return std::unexpected(Malformed{EINVAL, Diagnostic::malformed_ekey,
                                     "KEY_ENCRYPT and INITIAL_IV are longer than any key", m.header()});
  return m;
}

Result<std::size_t> encode(const Message& m, MutableBytes buffer) {
  Writer out(buffer);
  std::uint16_t units = 0;
  header(out, m, units);
  bool fits = true;
  std::string changed;
  for (const Extension& row : extensions()) {
    std::visit(
        [&](auto member) {
          if (!(m.*member) || !changed.empty()) return;
          changed = changed_by_encoding(*(m.*member), keys_as_in_reply(m.type));
          if (!changed.empty()) changed = fmt::format("{} {}", row.name, changed);
          const std::size_t start = out.size();
          out.host(std::uint16_t{0});
          out.host(row.id);
          wire::extension_fields(out, *(m.*member), keys_as_in_reply(m.type));
          out.pad((kUnit - (out.size() - start) % kUnit) % kUnit);
          const std::size_t length = (out.size() - start) / kUnit;
          fits = fits && length <= UINT16_MAX;
          out.patch(start, static_cast<std::uint16_t>(length));
        },
        row.slot);
  }
  if (!changed.empty()) return ipseckey::fail(Errc::invalid, std::move(changed));
  fits = fits && out.size() <= kMaxMessageSize;
  out.patch(kLengthAt, static_cast<std::uint16_t>(out.size() / kUnit));
  if (!out.ok() || !fits) return ipseckey::fail(Errc::invalid, "the PF_KEY message does not fit its buffer");
  return out.size();
}

}  // namespace ipseckey::pfkey
