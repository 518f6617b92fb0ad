#pragma once
/// Commands out of a file of JSON: objects as get and dump print them under --json (doc/reference/json.md).
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/json_tree.h"
#include "base/secret_text.h"
#include "lang/commands.h"
#include "lang/json_reader.h"
#include "lang/source.h"
#include "lang/spec.h"
#include "pfkey/json_read.h"

namespace ipseckey::lang {

/// Each object becomes the text of a command, which is then handled like any other. Members that an object omits, the
/// command omits; counters and times of use are read and not used, as save does.
class JsonCommands final : public Source {
 public:
  explicit JsonCommands(Fill fill) : reader_(std::move(fill)) {}

  Result<std::optional<Line>> next() override;
  std::string_view text(const Line& line) const override;
  void release(const Line& line) override;
  std::optional<JsonPlace> place(const Line& line, std::uint32_t at) const override;
  std::span<const SourceFault> faults() const override { return faults_; }

 private:
  /// A command whose text or places may still be requested.
  struct Kept {
    Line line;
    JsonPiece piece;
    SecretText text;
    std::optional<JsonPlace> place;  // Of all of it, if its object is not at hand.
  };
  using Name = std::tuple<pfkey::SaType, std::uint32_t, Address, Address>;  // Type, SPI, source, destination.
  /// The SPI of a pair that could not be named yet, and where it is.
  struct Partner {
    std::uint32_t spi;
    JsonPlace place;
  };

  Line::Kind other_kind(const JsonPiece& piece, const JsonNode& kind);
  Line::Kind flush_alone(const JsonPiece& piece);
  Line::Kind convert(const JsonPiece& piece, std::string_view object, SecretText& text);
  Line::Kind write(const CommandRow& row, pfkey::Message&& m, const JsonPiece& piece, SecretText& text);
  const CommandRow* action(std::vector<pfkey::JsonFault>& faults) const;
  void part_pair(SaSpec& spec, const Name& name, const JsonPiece& piece);
  std::optional<Line> join_pair();
  Line::Kind refuse(const JsonPiece& piece, const JsonNode& node, std::string message);
  void add_fault(const JsonPiece& piece, const pfkey::JsonFault& fault);
  JsonPlace place_in(const JsonPiece& piece, const JsonTree& tree, const JsonNode& node, std::uint32_t at) const;
  const Kept& kept(const Line& line) const;

  JsonReader reader_;
  JsonTree tree_;
  std::deque<Kept> kept_;  // In the order of their lines.
  std::vector<SourceFault> faults_;
  std::set<Name> added_;  // By the commands so far.
  // Of two SAs that name one another as a pair the second can; what is left at the end is paired then.
  std::map<Name, Partner> partners_;
  std::uint64_t made_ = 0;  // Commands that come from no object.
};

}  // namespace ipseckey::lang
