#pragma once
/// Whether an SA is one that a rule demands. Solaris compares the least key length only, and only of what is sent; here
/// both lengths count, both ways.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pfkey/message.h"
#include "policy/rule.h"

namespace ipseckey::policy {

/// What a rule asks of an SA.
struct SaFacts {
  pfkey::SaType type = pfkey::SaType::esp;
  std::uint8_t auth = 0, encrypt = 0;                    ///< Numbers of the algorithms; 0: none.
  std::optional<std::uint16_t> auth_bits, encrypt_bits;  ///< Of the keys without salt; absent: not known.
  std::optional<Address> src;                            ///< Absent, or unspecified: any.
  Address dst;
  bool tunnel = false;
  std::optional<Prefix> inner_src, inner_dst;
  std::uint32_t reqid = 0, if_id = 0, spi = 0;
  std::optional<pfkey::Mark> mark;
};

/// From a reply to GET or DUMP, which has SA and DST. Keys that were left out have no length.
SaFacts facts(const pfkey::Message& sa);

/// What about an SA is not as demanded.
enum class Objection : std::uint8_t {
  protocol,  ///< AH where only ESP is demanded, or reversed.
  ah_algorithm,
  ah_short,
  ah_long,
  cipher,
  cipher_short,
  cipher_long,
  integrity,  ///< Of ESP.
  integrity_short,
  integrity_long,
  mode,       ///< Tunnel or transport.
  ends,       ///< Its addresses are not the tunnel's.
  addresses,  ///< Transport mode: they are not among those of the rule.
  inner_addresses,
  reqid,
  spi,
  mark,
  if_id,
};
inline constexpr std::size_t kObjections = static_cast<std::size_t>(Objection::if_id) + 1;

/// "its cipher is not the one demanded"; what a person reads about it.
std::string_view words(Objection objection);

/// A set of them, without memory of its own.
class Objections {
 public:
  constexpr Objections() = default;
  constexpr Objections(std::initializer_list<Objection> list) {
    for (const Objection o : list) add(o);
  }
  constexpr void add(Objection o) { bits_ |= bit(o); }
  constexpr bool has(Objection o) const { return (bits_ & bit(o)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr Objections without(Objections others) const {
    others.bits_ = bits_ & ~others.bits_;
    return others;
  }
  bool operator==(const Objections&) const = default;

 private:
  static constexpr std::uint32_t bit(Objection o) { return std::uint32_t{1} << static_cast<unsigned>(o); }
  std::uint32_t bits_ = 0;
};

/// What one alternative of the rule has against an SA, for code that sees many; judge() lists the same.
Objections objections(const Rule& rule, const Protection& protection, Direction direction, const SaFacts& sa);

/// What one alternative of a rule has against an SA.
struct Verdict {
  std::size_t alternative;
  std::vector<Objection> objections;  ///< Empty: the SA satisfies it.
  bool operator==(const Verdict&) const = default;
};

/// For each alternative that demands protection; none: the rule demands no SA. A rule with AH and ESP demands one SA of
/// each, and each is compared with its own part.
std::vector<Verdict> judge(const Rule& rule, Direction direction, const SaFacts& sa);

/// Whether it is what one of the alternatives demands.
bool satisfies(std::span<const Verdict> verdicts);

}  // namespace ipseckey::policy
