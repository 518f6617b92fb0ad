#pragma once
/// What a command says about an SA: one optional member for each row of the keyword table. Members of plain numbers are
/// made from the rows of pfkey/extensions.h; kPlain names them.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

#include "lang/values.h"
#include "pfkey/extensions.h"
#include "table/record.h"

namespace ipseckey::lang {

struct SaSpec;

/// Whether a keyword says the number of an extension. Of AH_ALIGN it says one value: align8 is a flag.
constexpr bool is_plain(const pfkey::Extension& row) {
  return std::holds_alternative<std::optional<pfkey::Number> pfkey::Message::*>(row.slot) && row.kept &&
         row.slot != pfkey::Slot(&pfkey::Message::ah_align);
}

/// Their rows, by number.
inline constexpr auto kPlainRows = [] {
  constexpr auto kCount = static_cast<std::size_t>(std::ranges::count_if(pfkey::kExtensions, is_plain));
  std::array<std::size_t, kCount> rows{};
  for (std::size_t row = 0, next = 0; row < pfkey::kExtensions.size(); ++row)
    if (is_plain(pfkey::kExtensions[row])) rows[next++] = row;
  return rows;
}();

template <auto place>
struct Held {
  std::optional<Plain<place>> value;
};

template <class Sequence>
struct PlainMembers;
template <std::size_t... i>
struct PlainMembers<std::index_sequence<i...>> : Held<pfkey::ExtensionRow<kPlainRows[i]>::kMember>... {
  /// Where the value of a keyword goes: to one of these members, or to one whose type is among the others.
  template <class... Others>
  using SlotBeside = table::Slot<SaSpec, Others..., Plain<pfkey::ExtensionRow<kPlainRows[i]>::kMember>...>;
};
using PlainNumbers = PlainMembers<std::make_index_sequence<kPlainRows.size()>>;

struct SaSpec : PlainNumbers {
  std::optional<Spi> spi, pair_spi;
  std::optional<Flag> inbound, outbound;
  std::optional<Host> src, dst;
  std::optional<Port> sport, dport;
  std::optional<Protocol> proto;
  std::optional<Network> inner_src, inner_dst;
  std::optional<Port> inner_sport, inner_dport;
  std::optional<Protocol> inner_proto;
  std::optional<IcmpNumber> icmp_type, icmp_code;
  std::optional<Encapsulation> encap;
  std::optional<Host> nat_local, nat_remote;
  std::optional<Port> nat_local_port, nat_remote_port;
  std::optional<EncryptAlgorithm> encrypt;
  std::optional<KeyValue> encrypt_key;
  std::optional<Bits> reserved_bits;
  std::optional<AuthAlgorithm> auth;
  std::optional<KeyValue> auth_key;
  std::optional<Window> replay;
  std::optional<Count> replay_value;
  std::optional<pfkey::State> state;
  std::optional<Count> soft_bytes, soft_addtime, soft_usetime;
  std::optional<Count32> soft_alloc;
  std::optional<Count> hard_bytes, hard_addtime, hard_usetime;
  std::optional<Count32> hard_alloc;
  std::optional<Count> idle_addtime, idle_usetime;
  std::optional<Identity> src_identity, dst_identity;
  std::optional<Label> label, outer_label, implicit_label;
  std::optional<pfkey::Mark> mark, output_mark;
  std::optional<pfkey::Device> device;
  std::optional<Flag> esn, align8;
  std::optional<pfkey::Offload> offload;
  std::optional<Unusable> unusable;
};

/// The member of a plain number: `spec.*kPlain<&pfkey::Message::icv>`.
template <auto place>
inline constexpr std::optional<Plain<place>> SaSpec::* kPlain = &Held<place>::value;

/// Where a keyword's value goes. The member's type chooses the syntax.
using Slot = PlainNumbers::SlotBeside<Spi, Count, Count32, Window, Bits, Port, IcmpNumber, Protocol, AuthAlgorithm,
                                      EncryptAlgorithm, Encapsulation, pfkey::State, Flag, Host, Network, KeyValue,
                                      Identity, Label, pfkey::Mark, pfkey::Device, pfkey::Offload, Unusable>;

}  // namespace ipseckey::lang
