// 1. A table of the words, with the record that they fill.
// 2. read_packet() reads them with the parser of pairs, and checks what must hold between them.
// 3. flow_of() turns sender and receiver into this side and the other one.
#include "policylang/packet.h"

#include <fmt/format.h>

#include <array>

#include "pfkey/icmp.h"
#include "policylang/rows.h"
#include "table/pairs.h"
#include "table/record.h"

namespace ipseckey::policylang {
namespace {

using table::Severity;

struct Words {
  std::optional<table::Host> from, to;
  std::optional<table::Protocol> protocol;
  std::optional<table::Port> source_port, destination_port;
  std::optional<IcmpTypes> type;
  std::optional<IcmpCodes> code;
  std::optional<InterfaceName> tunnel;
  std::optional<pfkey::Mark> mark;
  std::optional<Id> if_id;
  std::optional<table::Flag> in, out, forward;
};

using Slot = table::Slot<Words, table::Host, table::Protocol, table::Port, IcmpTypes, IcmpCodes, InterfaceName,
                         pfkey::Mark, Id, table::Flag>;

constexpr table::Uses kPacket = 1;

struct PacketRow : table::Row {
  template <class T>
  constexpr PacketRow(std::string_view its_names, std::optional<T> Words::* member, std::string_view sentence)
      : table::Row{its_names, {}, sentence, table::kind_of<Syntax>(Slot(member)), kPacket, 0}, slot(member) {}

  Slot slot;
};

constexpr std::array kRows = {
    PacketRow{"from", &Words::from, "Its sender."},
    PacketRow{"to", &Words::to, "Its receiver."},
    PacketRow{"proto ulp", &Words::protocol, "Protocol above IP; without it, one that no rule names."},
    PacketRow{"sport", &Words::source_port, "Port of the sender."},
    PacketRow{"dport", &Words::destination_port, "Port of the receiver."},
    PacketRow{"type", &Words::type, "ICMP type: number or name."},
    PacketRow{"code", &Words::code, "ICMP code: number or name."},
    PacketRow{"tunnel", &Words::tunnel, "Interface of the tunnel that it is inside of."},
    PacketRow{"mark", &Words::mark, "Its mark."},
    PacketRow{"if_id", &Words::if_id, "Number of its XFRM interface."},
    PacketRow{"out", &Words::out, "This host sends it."},
    PacketRow{"in", &Words::in, "This host receives it."},
    PacketRow{"fwd", &Words::forward, "This host passes it on."},
};
using Index = table::Index<kRows>;
constexpr table::Table kTable = Index::table();

std::span<const std::string_view> known() {
  static const std::vector<std::string_view> kWords = names_used_by(kTable, kPacket);
  return kWords;
}

constinit const table::Language kLanguage = {
    .table = kTable,
    .noun = "word",
    .a_noun = "a word",
    .known = known,
    .is_head = [](std::string_view) { return false; },
    .why_never = "",
    .passes_over = 0,
    .comments = "there are no comments here",
    .no_zone = "a packet has no zone; leave out what follows the %",
    .ends = "a value is missing at the end",
};

class Reader {
 public:
  Reader(std::string_view text, const table::Names& names) : text_(text), names_(names), pairs_(kLanguage, names) {}

  std::expected<Packet, std::string> read() {
    if (pairs_.begin(text_))
      pairs_.read(
          {"explain", kPacket}, [&](const table::Row& row, table::Words words, table::ReadContext& context, bool keep) {
            return table::read_value<Syntax>(static_cast<const PacketRow&>(row).slot, words, context, keep, words_);
          });
    faults_ = pairs_.faults();
    if (faults_.empty()) fill();
    if (faults_.empty()) return packet_;
    std::string shown;
    for (const table::Fault& fault : faults_) render(kLanguage, fault, text_, {}, true, shown);
    return std::unexpected(shown);
  }

 private:
  template <class T>
  void fault(std::optional<T> Words::* member, std::string message) {
    std::vector<table::Word> words;
    split(text_, words);
    const auto row = std::ranges::find_if(kRows, [&](const PacketRow& r) { return r.slot == Slot(member); });
    const table::Place place = words.empty() ? table::Place{} : place_of(kTable, words, *row);
    faults_.push_back({Severity::error, place.at, place.length, std::move(message)});
  }

  Address address(std::optional<table::Host> Words::* member, std::string_view name) {
    const auto& host = words_.*member;
    if (!host || host->any) {
      fault(member, host ? fmt::format("{} needs one address", name)
                         : "a packet has a sender and a receiver: explain from ADDRESS to ADDRESS ...");
      return {};
    }
    if (host->literal) return unmapped(*host->literal);
    const auto found = names_.hosts(host->name);
    const std::string_view shown = table::like_a_key(host->name) ? std::string_view("the name") : host->name;
    if (found && found->size() == 1) return unmapped(found->front());
    fault(member, found ? fmt::format("{} has {} addresses: name one of them", shown, found->size())
                        : fmt::format("{} has no address: {}", shown, found.error().text));
    return {};
  }

  template <class T>
  std::optional<std::uint8_t> one(std::optional<T> Words::* member) {
    const auto& numbers = words_.*member;
    if (!numbers) return std::nullopt;
    if (!packet_.protocol || !pfkey::is_icmp(*packet_.protocol))
      fault(member, "ICMP numbers need proto icmp or proto ipv6-icmp");
    if (numbers->range.first != numbers->range.last) fault(member, "a packet has one number, not a range");
    return numbers->range.first;
  }

  std::optional<std::uint16_t> port(std::optional<table::Port> Words::* member) {
    const auto& port = words_.*member;
    if (!port || port->value == 0) return std::nullopt;
    if (!packet_.protocol || !policy::has_ports(*packet_.protocol))
      fault(member, "only TCP, UDP and SCTP have ports: say proto tcp, for example");
    return port->value;
  }

  void fill() {
    packet_.from = address(&Words::from, "from");
    if (faults_.empty()) packet_.to = address(&Words::to, "to");
    if (faults_.empty() && packet_.from.family != packet_.to.family)
      fault(&Words::to, "sender and receiver are of different families");
    if (words_.protocol && words_.protocol->value != 0) packet_.protocol = words_.protocol->value;
    packet_.source_port = port(&Words::source_port), packet_.destination_port = port(&Words::destination_port);
    packet_.icmp_type = one(&Words::type), packet_.icmp_code = one(&Words::code);
    if (words_.tunnel) packet_.tunnel = words_.tunnel->text;
    if (words_.mark) packet_.mark = words_.mark->value;
    if (words_.if_id) packet_.if_id = words_.if_id->value;
    if (int{words_.in.has_value()} + int{words_.out.has_value()} + int{words_.forward.has_value()} > 1)
      return fault(words_.in ? &Words::in : &Words::out, "a packet goes one way: write one of in, out and fwd");
    if (words_.in) packet_.way = PacketWay::in;
    if (words_.out) packet_.way = PacketWay::out;
    if (words_.forward) packet_.way = PacketWay::forward;
  }

  std::string_view text_;
  const table::Names& names_;
  table::Pairs pairs_;
  Words words_;
  Packet packet_;
  table::Faults faults_;
};

}  // namespace

std::expected<Packet, std::string> read_packet(std::string_view words, const table::Names& names) {
  return Reader(words, names).read();
}

policy::Flow flow_of(const Packet& p, policy::Direction direction) {
  policy::Flow flow{.local = p.from,
                    .remote = p.to,
                    .protocol = p.protocol.value_or(0),
                    .local_port = p.source_port,
                    .remote_port = p.destination_port,
                    .icmp_type = p.icmp_type,
                    .icmp_code = p.icmp_code,
                    .tunnel = p.tunnel,
                    .mark = p.mark,
                    .if_id = p.if_id};
  if (direction == policy::Direction::in)
    std::swap(flow.local, flow.remote), std::swap(flow.local_port, flow.remote_port);
  return flow;
}

std::span<const table::Row* const> packet_rows() { return kTable.rows; }

}  // namespace ipseckey::policylang
