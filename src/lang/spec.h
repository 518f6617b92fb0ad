#pragma once
/// What a command says about an SA: one optional member for each row of the keyword table.
#include <optional>

#include "lang/values.h"
#include "table/record.h"

namespace ipseckey::lang {

struct SaSpec {
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
  std::optional<Positive16> keepalive;
  std::optional<EncryptAlgorithm> encrypt;
  std::optional<KeyValue> encrypt_key;
  std::optional<Bits> reserved_bits;
  std::optional<AuthAlgorithm> auth;
  std::optional<KeyValue> auth_key;
  std::optional<Bits> icv;
  std::optional<Positive16> tfcpad;
  std::optional<Df> df;
  std::optional<Dscp> dscp;
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
  std::optional<Count32> reqid, if_id;
  std::optional<Positive32> bundle;
  std::optional<pfkey::Mark> mark, output_mark;
  std::optional<pfkey::Device> device;
  std::optional<Flag> esn, align8;
  std::optional<pfkey::Offload> offload;
  std::optional<Unusable> unusable;
};

/// Where a keyword's value goes. The member's type chooses the syntax.
using Slot = table::Slot<SaSpec, Spi, Count, Count32, Window, Bits, Positive16, Positive32, Df, Dscp, Port, IcmpNumber,
                         Protocol, AuthAlgorithm, EncryptAlgorithm, Encapsulation, pfkey::State, Flag, Host, Network,
                         KeyValue, Identity, Label, pfkey::Mark, pfkey::Device, pfkey::Offload, Unusable>;

}  // namespace ipseckey::lang
