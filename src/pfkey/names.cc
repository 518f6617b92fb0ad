// Words for the numbers of PF_KEY, in both directions:
// 1. A table for each kind of number: message types, SA types, states, flags, identities, and the values of our
//    extensions.
// 2. find_number() reads a word of such a table, in any case and by any synonym.
// 3. name() writes a number as its first word, or as the number itself if it has none.
// 4. flag_names() writes a set of flags in the order of the table.
#include "pfkey/names.h"

#include <fmt/format.h>
#include <string.h>

#include <array>

#include "base/text.h"
#include "pfkey/diagnostics.h"

namespace ipseckey::pfkey {
namespace {

constexpr std::array kTypes = {
    Word{0, "RESERVED"},
    Word{1, "GETSPI"},
    Word{2, "UPDATE"},
    Word{3, "ADD"},
    Word{4, "DELETE"},
    Word{5, "GET"},
    Word{6, "ACQUIRE"},
    Word{7, "REGISTER"},
    Word{8, "EXPIRE"},
    Word{9, "FLUSH"},
    Word{10, "DUMP"},
    Word{11, "X_PROMISC"},
    Word{12, "X_INVERSE_ACQUIRE"},
    Word{13, "X_UPDATEPAIR"},
    Word{14, "X_DELPAIR"},
    Word{15, "X_DELPAIR_STATE"},
    Word{23, "X_NAT_T_NEW_MAPPING"},
};
static_assert(kTypes.size() == kTypeMax + 2 && kTypes[kTypeMax].number == kTypeMax);

constexpr std::array kSaTypes = {
    Word{0, "all"},  Word{2, "ah"},     Word{3, "esp"},   Word{4, "tcpsig"},
    Word{5, "rsvp"}, Word{6, "ospfv2"}, Word{7, "ripv2"}, Word{8, "mip"},
};

constexpr std::array kStates = {
    Word{0, "larval"},           Word{1, "mature"}, Word{2, "dying"},  Word{3, "dead"},
    Word{4, "active-elsewhere"}, Word{5, "idle"},   Word{6, "active"},
};

constexpr std::array kFlags = {
    Word{kFlagInbound, "inbound"},
    Word{kFlagOutbound, "outbound"},
    Word{kFlagPaired, "paired"},
    Word{kFlagTunnel, "tunnel"},
    Word{kFlagUnique, "unique"},
    Word{kFlagUsed, "used"},
    Word{kFlagPfs, "pfs"},
    Word{kFlagNoReplay, "noreplay"},
    Word{kFlagNattLocal, "natt-local"},
    Word{kFlagNattRemote, "natt-remote"},
    Word{kFlagNatted, "natted"},
    Word{kFlagTcpSig, "tcpsig"},
    Word{kFlagAalg1, "aalg1"},
    Word{kFlagAalg2, "aalg2"},
    Word{kFlagEalg1, "ealg1"},
    Word{kFlagEalg2, "ealg2"},
    Word{kFlagManager1, "km1"},
    Word{kFlagManager2, "km2"},
    Word{kFlagManager3, "km3"},
    Word{kFlagManager4, "km4"},
    Word{kFlagKernel1, "kres1"},
    Word{kFlagKernel2, "kres2"},
};

constexpr std::array kIdentities = {
    Word{1, "prefix"},
    Word{2, "fqdn domain domainname"},
    Word{3, "user_fqdn mailbox"},
    Word{4, "der_dn"},
    Word{5, "der_gn"},
    Word{6, "key_id"},
    Word{7, "addr_range"},
};

constexpr std::array kEncapsulations = {Word{kProtoUdp, "udp"}};
constexpr std::array kOffloads = {Word{1, "crypto"}, Word{2, "packet"}};
constexpr std::array kDfs = {Word{kDfCopy, "copy"}, Word{kDfSet, "set"}, Word{kDfClear, "clear"}};
constexpr std::array kDscps = {Word{kDscpCopy, "copy"}, Word{kDscpKeep, "keep"}};
constexpr std::array kManagers = {Word{0, "manual"}, Word{1, "ike"}, Word{2, "kink"}, Word{3, "ikev2"}};

std::string name_in(std::span<const Word> table, std::uint32_t number) {
  const Word* word = find_word(table, number);
  return word ? std::string(word->name()) : fmt::to_string(number);
}

}  // namespace

std::span<const Word> satype_words() { return kSaTypes; }
std::span<const Word> state_words() { return kStates; }
std::span<const Word> flag_words() { return kFlags; }
std::span<const Word> identity_words() { return kIdentities; }
std::span<const Word> encapsulation_words() { return kEncapsulations; }
std::span<const Word> offload_words() { return kOffloads; }
std::span<const Word> df_words() { return kDfs; }
std::span<const Word> dscp_words() { return kDscps; }

std::optional<std::uint32_t> find_number(std::span<const Word> table, std::string_view word) {
  for (const Word& row : table)
    if (text::list_has(row.names, word)) return row.number;
  return std::nullopt;
}

std::vector<std::string_view> all_names(std::span<const Word> table) {
  std::vector<std::string_view> names;
  for (const Word& row : table) text::for_each_word(row.names, [&](std::string_view n) { names.push_back(n); });
  return names;
}

const Word* find_word(std::span<const Word> table, std::uint32_t number) {
  for (const Word& row : table)
    if (row.number == number) return &row;
  return nullptr;
}

std::string name(Type type) { return name_in(kTypes, static_cast<std::uint8_t>(type)); }
std::string name(SaType type) { return name_in(kSaTypes, static_cast<std::uint8_t>(type)); }
std::string name(State state) { return name_in(kStates, static_cast<std::uint8_t>(state)); }
std::string name(IdentityType type) { return name_in(kIdentities, static_cast<std::uint16_t>(type)); }
std::string name(Offload::Mode mode) { return name_in(kOffloads, static_cast<std::uint8_t>(mode)); }
std::string manager_name(std::uint32_t protocol) { return name_in(kManagers, protocol); }

std::string flag_names(std::uint32_t flags) {
  std::string out;
  for (const Word& row : kFlags) {
    if (!(flags & row.number)) continue;
    if (!out.empty()) out += ", ";
    out += row.name();
    flags &= ~row.number;
  }
  if (flags != 0) out += fmt::format("{}{:#x}", out.empty() ? "" : ", ", flags);
  return out;
}

std::string error_name(std::uint8_t error) {
  const char* words = strerrordesc_np(error);
  const char* symbol = strerrorname_np(error);
  return words && symbol ? fmt::format("{} ({})", words, symbol) : fmt::format("error {}", error);
}

std::string refusal_text(const Message& m) {
  if (m.error == 0) return {};
  std::string out = error_name(m.error);
  if (m.diagnostic != 0)
    out += fmt::format(", Diagnostic code {}: {}", m.diagnostic, text_of(static_cast<Diagnostic>(m.diagnostic)));
  return out;
}

}  // namespace ipseckey::pfkey
