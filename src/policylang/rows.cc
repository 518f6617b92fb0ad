#include "policylang/rows.h"

#include <algorithm>
#include <array>

#include "policylang/icmp_names.h"
#include "table/suggest.h"

namespace ipseckey::policylang {
namespace {

constexpr Style kEither = Style::either, kOld = Style::old_one, kNew = Style::new_one, kOurs = Style::ours;

constexpr std::array kPatternRows = {
    PatternRow{"tunnel", &Pattern::tunnel, kPattern, kEither, "Interface of the tunnel whose packets these are."},
    PatternRow{"negotiate", &Pattern::negotiate, kPattern, kEither,
               "Of a tunnel: tunnel, the packets inside; transport, the tunnel's own."},
    PatternRow{"laddr local", &Pattern::local, kPattern, kNew, "Address or network of this host's side."},
    PatternRow{"raddr remote", &Pattern::remote, kPattern, kNew, "Address or network of the peer's side."},
    PatternRow{"ulp proto", &Pattern::protocol, kPattern, kEither, "Protocol above IP."},
    PatternRow{"lport", &Pattern::local_port, kPattern, kNew, "Port of this host's side."},
    PatternRow{"rport", &Pattern::remote_port, kPattern, kNew, "Port of the peer's side."},
    PatternRow{"type", &Pattern::types, kPattern, kEither, "ICMP type: number, range or name."},
    PatternRow{"code", &Pattern::codes, kPattern, kEither, "ICMP code: number, range or name."},
    PatternRow{"dir", &Pattern::way, kPattern, kNew, "Which way the packets go."},
    PatternRow{"saddr src srcaddr", &Pattern::source, kPattern, kOld, "Address or network of the sender."},
    PatternRow{"daddr dst dstaddr dest", &Pattern::destination, kPattern, kOld, "Address or network of the receiver."},
    PatternRow{"smask", &Pattern::source_mask, kPattern, kOld, "Mask of the sender's address, IPv4 only."},
    PatternRow{"dmask", &Pattern::destination_mask, kPattern, kOld, "Mask of the receiver's address, IPv4 only."},
    PatternRow{"sport", &Pattern::source_port, kPattern, kOld, "Port of the sender."},
    PatternRow{"dport", &Pattern::destination_port, kPattern, kOld, "Port of the receiver."},
};

constexpr std::array kPropertyRows = {
    PropertyRow{"auth_algs", &Properties::ah, kIpsec, kEither, "AH with this algorithm."},
    PropertyRow{"encr_algs", &Properties::cipher, kIpsec, kEither, "ESP with this cipher."},
    PropertyRow{"encr_auth_algs", &Properties::integrity, kIpsec, kEither, "ESP with this integrity algorithm."},
    PropertyRow{"sa", &Properties::sharing, kIpsec, kEither, "One SA for all packets, or one for each connection."},
    PropertyRow{"dir", &Properties::way, kEveryAction, kOld, "Which way the packets go."},
    PropertyRow{"level", &Properties::level, kIpsec, kOurs, "use: without an SA, packets are sent in clear."},
    PropertyRow{"reqid", &Properties::reqid, kIpsec, kOurs, "Only SAs with this reqid."},
    PropertyRow{"spi", &Properties::spi, kIpsec, kOurs, "Only the SA with this SPI."},
    PropertyRow{"tsrc", &Properties::tunnel_source, kIpsec, kOurs, "Outer address of this host's end of the tunnel."},
    PropertyRow{"tdst", &Properties::tunnel_destination, kIpsec, kOurs, "Outer address of the peer's end."},
    PropertyRow{"mark", &Properties::mark, kEveryAction, kOurs, "Only packets with this mark."},
    PropertyRow{"if_id", &Properties::if_id, kEveryAction, kOurs, "Only packets of this XFRM interface."},
};

using PatternIndex = table::Index<kPatternRows>;
using PropertyIndex = table::Index<kPropertyRows>;
constexpr table::Table kPatternTable = PatternIndex::table(), kPropertyTable = PropertyIndex::table();

using policy::Action;
constexpr std::array kActions = {
    ActionRow{"ipsec", Action::ipsec, kIpsec, kEither, {}, "Protect what is sent, demand protection of what comes in."},
    ActionRow{"apply", Action::ipsec, kIpsec, kOld, OneWay::out, "Protect what is sent."},
    ActionRow{"permit", Action::ipsec, kIpsec, kOld, OneWay::in, "Demand protection of what comes in."},
    ActionRow{"bypass", Action::pass, kPass, kEither, {}, "Send in clear, accept only what is clear."},
    ActionRow{"pass", Action::pass, kPass, kEither, {}, "The same as bypass."},
    ActionRow{"drop", Action::drop, kDrop, kNew, {}, "Discard."},
};

// A fault is shown with the whole entry, so each language knows the words of both.
std::span<const std::string_view> all_words() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> words = names_used_by(kPatternTable, kPattern);
    for (const std::string_view name : names_used_by(kPropertyTable, kEveryAction)) words.push_back(name);
    for (const ActionRow& row : kActions) words.push_back(row.name);
    for (const std::string_view word : {"{", "}", "or", "any", "none", "in", "out", "both", "shared", "unique",
                                        "require", "transport", "order", "file", "classes"})
      words.push_back(word);
    for (const auto names : {icmp_types(), icmp_codes()})
      for (const IcmpName& row : names) words.push_back(row.name);
    for (const pfkey::Algorithm& row : pfkey::algorithms())
      text::for_each_word(row.names, [&](std::string_view name) { words.push_back(name); });
    return words;
  }();
  return kWords;
}

constexpr table::Language language(const table::Table& table, std::string_view noun, std::string_view a_noun) {
  return {
      .table = table,
      .noun = noun,
      .a_noun = a_noun,
      .known = all_words,
      .is_head = [](std::string_view word) { return find_action(word) != nullptr; },
      .why_never = "",
      .passes_over = 0,
      .comments = "",  // They are gone before pairs are read.
      .no_zone = "a rule has no zone; leave out what follows the %",
      .ends = "a value is missing before the }",
  };
}

template <class Rows, class Slot>
const auto& find_row(const Rows& rows, const Slot& slot) {
  return *std::ranges::find_if(rows, [&](const auto& row) { return row.slot == slot; });
}

}  // namespace

constinit const table::Language kPatternLanguage = language(kPatternTable, "keyword", "a keyword");
constinit const table::Language kPropertyLanguage = language(kPropertyTable, "property", "a property");

std::span<const PatternRow> pattern_rows() { return kPatternRows; }
std::span<const PropertyRow> property_rows() { return kPropertyRows; }
std::span<const ActionRow> action_rows() { return kActions; }

const PatternRow& row_of(const PatternRow::Slot& slot) { return find_row(kPatternRows, slot); }
const PropertyRow& row_of(const PropertyRow::Slot& slot) { return find_row(kPropertyRows, slot); }

const ActionRow* find_action(std::string_view name) {
  const auto found = std::ranges::find(kActions, name, &ActionRow::name);
  return found == kActions.end() ? nullptr : &*found;
}

std::string action_names() {
  std::vector<std::string_view> names;
  names.reserve(kActions.size());
  for (const ActionRow& row : kActions) names.push_back(row.name);
  return table::listed(names, "or");
}

}  // namespace ipseckey::policylang
