// How an object becomes a command:
// 1. JsonReader cuts the object out of the file, JsonTree cuts it into values.
// 2. convert() reads "kind" and "action"; read_json_sa() makes the message of it that a GET would answer.
// 3. write() writes that as `save` writes an SA, as the words of a command, and leaves out what the command does not
//    use.
// 4. A fault of that text is about a keyword: place() finds the member that the keyword's value came from.
#include "lang/json_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "lang/faults.h"
#include "lang/json_places.h"
#include "lang/keywords.h"
#include "lang/save.h"
#include "lang/to_spec.h"
#include "pfkey/extensions.h"
#include "pfkey/json.h"
#include "pfkey/units.h"
#include "table/suggest.h"

namespace ipseckey::lang {
namespace {

constexpr std::string_view kAction = "action";
constexpr std::array kBeside = {kAction};

bool is_action(const CommandRow& row) { return row.has_keys() || row.verb == Verb::flush; }

std::vector<std::string_view> actions() {
  std::vector<std::string_view> names;
  for (const CommandRow& row : commands())
    if (is_action(row)) names.push_back(row.name());
  return names;
}

// Whether a word of the text is certainly not a key and is harmless on a terminal.
bool may_be_shown(std::string_view word) {
  constexpr std::size_t kLongest = 32;
  const auto plain = [](char c) {
    return (text::lower(c) >= 'a' && text::lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  const auto no_digit = [](char c) { return text::hex_digit(c) < 0; };
  return !word.empty() && word.size() <= kLongest && std::ranges::all_of(word, plain) &&
         std::ranges::any_of(word, no_digit) && !like_a_key(word);
}

std::string detail_of(const pfkey::JsonFault& fault) {
  constexpr std::size_t kFew = 10;  // The number of words that can be read at a glance.
  if (fault.known.empty()) return {};
  std::string detail, near;
  if (may_be_shown(fault.word)) {
    detail = fmt::format(" \"{}\"", fault.word);
    near = table::did_you_mean(fault.word, fault.known);
  }
  if (near.empty() && fault.known.size() <= kFew) near = fmt::format("; expected {}", table::listed(fault.known, "or"));
  return detail + near;
}

void drop_unused(Verb verb, SaSpec& spec) {
  for (const Keyword& row : keywords())
    if ((row.used & bit(verb)) == 0) std::visit([&](auto member) { (spec.*member).reset(); }, row.slot);
}

// The keyword whose words, its value's included, are at an offset; nullptr: none.
const Keyword* keyword_at(std::span<const Word> words, std::uint32_t at) {
  for (std::size_t i = 2; i < words.size(); ++i) {  // Command and SA type come first.
    const Keyword* const row = find_keyword(words[i].text).row;
    if (!row) continue;
    const std::size_t last = std::min(i + value_words(*row), words.size() - 1);
    if (at >= words[i].at && at < words[last].at + std::max<std::size_t>(words[last].text.size(), 1)) return row;
    i = last;
  }
  return nullptr;
}

// Whether a keyword takes a number and returns it unchanged.
bool can_be_said(const pfkey::Message& m, std::optional<pfkey::Number> pfkey::Message::* place) {
  return std::ranges::any_of(keywords(), [&](const Keyword& row) {
    if (!row.joint.put || !row.joint.take) return false;
    SaSpec spec;
    row.joint.take(m, spec);
    pfkey::Message back;
    back.sa.emplace();
    row.joint.put(spec, back);
    return back.*place == m.*place;
  });
}

std::string unsaid_of(std::string_view name, const pfkey::Sensitivity& label, std::uint32_t flags) {
  const std::string_view field = label.dpd > 1                     ? "domain"
                                 : label.integrity != 0            ? "integrity"
                                 : (label.flags & ~flags) != 0     ? "flags"
                                 : !label.integrity_bitmap.empty() ? "integrity_compartments"
                                                                   : "";
  return field.empty() ? "" : fmt::format("{}/{}", name, field);
}

// The values that a number has: its range, and the words that stand for some of them.
std::string range_of(const pfkey::Extension& row) {
  std::vector<std::string_view> parts;
  std::uint64_t end = std::uint64_t{row.kept->most} + 1;
  std::vector<std::string> words;
  if (row.shown.words) {
    for (const pfkey::Word& word : row.shown.words()) {
      words.push_back(fmt::format("\"{}\"", word.name()));
      end = std::min<std::uint64_t>(end, word.number);
    }
  }
  std::string numbers;
  if (end > row.kept->least) numbers = fmt::format("a whole number from {} to {}", row.kept->least, end - 1);
  if (!numbers.empty()) parts.push_back(numbers);
  parts.insert(parts.end(), words.begin(), words.end());
  return table::listed(parts, "or");
}

struct Unsaid {
  std::string pointer = {};  // To a member whose value no keyword can express; empty: there is none.
  std::string range = {};    // Those that the member can have, if it has another; empty: this is not why.
};

Unsaid unsaid(const pfkey::Message& m) {
  constexpr std::uint32_t kAlignOfNone = 4;
  for (const pfkey::Extension& row : pfkey::extensions()) {
    const auto* const place = std::get_if<std::optional<pfkey::Number> pfkey::Message::*>(&row.slot);
    if (!place || row.shown.json.empty() || !(m.*(*place))) continue;
    const std::uint32_t none = *place == &pfkey::Message::ah_align ? kAlignOfNone : 0;
    const std::uint32_t value = (m.*(*place))->value;
    if (value != none && !can_be_said(m, *place))
      return {fmt::format("/{}", row.shown.json), row.kept && value > row.kept->most ? range_of(row) : ""};
  }
  if (m.pair && m.pair->spi == 0) return {"/pair/spi"};
  if (m.src_identity && m.src_identity->id != 0) return {"/src_identity/id"};
  if (m.dst_identity && m.dst_identity->id != 0) return {"/dst_identity/id"};
  std::string label = m.sensitivity ? unsaid_of("/label", *m.sensitivity, 0) : "";
  if (label.empty() && m.outer_sensitivity)
    label = unsaid_of("/outer_label", *m.outer_sensitivity, pfkey::kSensImplicit);
  return {std::move(label)};
}

std::uint32_t lines_before(std::string_view text, std::uint32_t at) {
  return static_cast<std::uint32_t>(std::ranges::count(text.substr(0, at), '\n'));
}

}  // namespace

Result<std::optional<Line>> JsonCommands::next() {
  faults_.clear();
  const auto piece = reader_.next();
  if (!piece) return std::unexpected(piece.error());
  if (!*piece) return join_pair();
  const JsonPiece& p = **piece;
  if (p.nothing) return Line{Line::Kind::nothing, p.number, p.start, 0};
  Line line{Line::Kind::faulty, p.number, p.start, p.length};
  if (!p.broken.empty()) {
    partners_.clear();  // Nothing more is run; a partner may be in what was not read.
    if (p.unread) line.kind = Line::Kind::broken_off;
    faults_.push_back({{p.number, p.element ? fmt::format("/{}", *p.element) : ""},
                       fmt::format("{}{}", p.broken, p.unread ? "; the rest was not read" : "")});
    return line;
  }
  SecretText text;
  line.kind = convert(p, reader_.text(p.start, p.length), text);
  if (line.kind == Line::Kind::command) kept_.push_back({line, p, std::move(text), std::nullopt});
  return line;
}

Line::Kind JsonCommands::convert(const JsonPiece& piece, std::string_view object, SecretText& text) {
  if (const auto broken = tree_.parse(object)) {
    const auto newline = object.substr(0, broken->at).rfind('\n');
    const std::size_t column = broken->at - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    faults_.push_back(
        {{piece.number + lines_before(object, broken->at), piece.element ? fmt::format("/{}", *piece.element) : ""},
         fmt::format("this is not JSON: {}: character {} of the {}", broken->message, column,
                     newline == std::string_view::npos ? "object" : "line")});
    return Line::Kind::faulty;
  }
  if (const JsonNode* const kind = tree_.find(tree_.root(), "kind"); kind && tree_.raw(*kind) != pfkey::kJsonSa) {
    return other_kind(piece, *kind);
  }
  std::vector<pfkey::JsonFault> faults;
  const CommandRow* const row = action(faults);
  pfkey::Message m;
  pfkey::read_json_sa(tree_, kBeside, m, faults);
  if (row && row->satype == SaTypeRule::specific && !tree_.find(tree_.root(), "satype"))
    faults.push_back({&tree_.root(), false, "\"satype\" is missing; expected \"ah\" or \"esp\""});
  constexpr std::size_t kMostFaults = 20;  // More are mostly one mistake.
  for (const pfkey::JsonFault& fault : std::span(faults).first(std::min(faults.size(), kMostFaults)))
    add_fault(piece, fault);
  if (faults.size() > kMostFaults)
    add_fault(piece, {&tree_.root(), false, fmt::format("{} more errors in this object", faults.size() - kMostFaults)});
  return faults.empty() ? write(*row, std::move(m), piece, text) : Line::Kind::faulty;
}

// A report is ignored, if it is one: an object that names a command or an SA is not.
Line::Kind JsonCommands::other_kind(const JsonPiece& piece, const JsonNode& kind) {
  const std::string_view word = tree_.raw(kind);
  if (std::ranges::find(pfkey::kJsonReports, word) == pfkey::kJsonReports.end())
    return refuse(piece, kind, "an object of this kind cannot be loaded; get and dump print kind \"sa\"");
  const JsonNode& root = tree_.root();
  bool twice = false;
  tree_.for_each(root, [&](const JsonNode& node) { twice = twice || tree_.find(root, tree_.name(node)) != &node; });
  if (twice) return refuse(piece, root, "a member of this object appears twice; remove one");
  constexpr std::string_view kPlan = "plan";  // It says what should be done with an SA.
  const JsonNode* const action = tree_.find(root, kAction);
  const CommandRow* const command = action ? find_command(tree_.raw(*action)) : nullptr;
  if (action && (word != kPlan || (command && is_action(*command) && command->verb != Verb::add)))
    return refuse(piece, *action, "objects of this kind are ignored, but this one is a command: remove \"kind\"");
  const JsonNode* const spi = tree_.find(root, "spi");
  if (spi && word != kPlan)
    return refuse(piece, *spi, "objects of this kind are ignored, but this one names an SA: remove \"kind\"");
  return Line::Kind::nothing;
}

const CommandRow* JsonCommands::action(std::vector<pfkey::JsonFault>& faults) const {
  const JsonNode* const node = tree_.find(tree_.root(), kAction);
  if (!node) return &row(Verb::add);
  const CommandRow* const found = node->kind == JsonNode::Kind::string ? find_command(tree_.raw(*node)) : nullptr;
  if (found && is_action(*found)) return found;
  faults.push_back({node, false, "unknown action", tree_.raw(*node), actions()});
  return nullptr;
}

Line::Kind JsonCommands::write(const CommandRow& row, pfkey::Message&& m, const JsonPiece& piece, SecretText& text) {
  const JsonNode& root = tree_.root();
  const bool adds = row.verb == Verb::add;
  if (adds && m.sa->state == pfkey::State::larval) {
    faults_.push_back(
        {place_in(piece, tree_, *tree_.find(root, "state"), 0), "a larval SA has no keys yet: it is skipped"});
    return Line::Kind::left_out;
  }
  if (adds && m.remark)
    return refuse(piece, *tree_.find(root, "remark"),
                  "this describes a property that no command can set; without this member the SA can be added, but it "
                  "is a different SA");
  if (adds || row.verb == Verb::update)
    if (const Unsaid member = unsaid(m); !member.pointer.empty())
      return refuse(piece, tree_.on_the_way(member.pointer),
                    !member.range.empty() ? fmt::format("{} is expected here", member.range)
                    : adds
                        ? "no command can set this value; without it the SA can be added, but it is a different SA"
                        : "no command can set this value; without it the SA can be updated, but this value is not set");
  constexpr std::size_t kUsual = 512;
  text.reserve(kUsual);
  text = row.name();
  text += ' ';
  text += satype_word(m.satype);
  if (!row.has_keys()) return flush_alone(piece);
  const auto address = [](const auto& end) { return end ? end->address : Address(); };
  const Name name{m.satype, m.sa->spi, address(m.src), address(m.dst)};
  SaSpec spec = to_spec(std::move(m));
  drop_unused(row.verb, spec);
  if (adds && spec.pair_spi) part_pair(spec, name, piece);
  if (adds) added_.insert(name);
  write_spec(spec, false, text);
  return Line::Kind::command;
}

// A command that names an SA does not mean all SAs of its type.
Line::Kind JsonCommands::flush_alone(const JsonPiece& piece) {
  constexpr std::array<std::string_view, 4> kOwn = {"kind", "sadb", kAction, "satype"};
  const JsonNode* other = nullptr;
  tree_.for_each(tree_.root(), [&](const JsonNode& node) {
    if (!other && std::ranges::find(kOwn, tree_.name(node)) == kOwn.end()) other = &node;
  });
  if (!other) return Line::Kind::command;
  return refuse(piece, *other,
                "flush deletes all SAs of a type and takes only \"satype\"; remove this member, or use \"delete\"");
}

// A pair must exist when it is named.
void JsonCommands::part_pair(SaSpec& spec, const Name& name, const JsonPiece& piece) {
  const auto& [type, spi, src, dst] = name;
  const Name other{type, spec.pair_spi->value, dst, src};
  if (added_.contains(other)) {
    const auto waits = partners_.find(other);
    if (waits != partners_.end() && waits->second.spi == spi) partners_.erase(waits);
    return;
  }
  partners_.insert_or_assign(name,
                             Partner{spec.pair_spi->value, place_in(piece, tree_, tree_.on_the_way("/pair/spi"), 0)});
  spec.pair_spi.reset();
}

// The next of the commands that pair the remaining SAs.
std::optional<Line> JsonCommands::join_pair() {
  if (partners_.empty()) return std::nullopt;
  const auto node = partners_.extract(partners_.begin());
  const auto& [type, spi, src, dst] = node.key();
  SaSpec spec;
  spec.spi = Spi{spi}, spec.pair_spi = Spi{node.mapped().spi};
  if (!is_unspecified(src)) spec.src = Host{.literal = src, .name = {}};
  spec.dst = Host{.literal = dst, .name = {}};
  Kept made{
      {Line::Kind::command, node.mapped().place.line, reader_.position() + made_++, 0}, {}, {}, node.mapped().place};
  made.text = fmt::format("{} {}", row(Verb::update).name(), satype_word(type));
  write_spec(spec, false, made.text);
  kept_.push_back(std::move(made));
  return kept_.back().line;
}

Line::Kind JsonCommands::refuse(const JsonPiece& piece, const JsonNode& node, std::string message) {
  add_fault(piece, {&node, false, std::move(message)});
  return Line::Kind::faulty;
}

// The name of a stranger is not part of the pointer: it may be anything.
void JsonCommands::add_fault(const JsonPiece& piece, const pfkey::JsonFault& fault) {
  const JsonNode& named = fault.stranger ? tree_.parent(*fault.where) : *fault.where;
  faults_.push_back({place_in(piece, tree_, named, fault.where->at), fault.message, detail_of(fault)});
}

// `at`: where the line is counted, if it is not that of the node itself.
JsonPlace JsonCommands::place_in(const JsonPiece& piece, const JsonTree& tree, const JsonNode& node,
                                 std::uint32_t at) const {
  const std::string_view object = reader_.text(piece.start, piece.length);
  return {piece.number + lines_before(object, std::max(at, node.at)),
          (piece.element ? fmt::format("/{}", *piece.element) : "") + tree.pointer(node)};
}

std::optional<JsonPlace> JsonCommands::place(const Line& line, std::uint32_t at) const {
  const Kept& command = kept(line);
  if (command.place) return command.place;
  JsonTree tree;
  tree.parse(reader_.text(command.piece.start, command.piece.length));
  std::vector<Word> words;
  split(command.text, words);
  const Keyword* const row = keyword_at(words, at);
  const std::string places = row ? json_places(*row) : words.size() > 1 && at >= words[1].at ? "/satype" : "/action";
  const JsonNode* best = &tree.root();
  text::for_each_word(places, [&](std::string_view pointer) {
    const JsonNode& node = tree.on_the_way(pointer);
    if (tree.pointer(node).size() > tree.pointer(*best).size()) best = &node;
  });
  return place_in(command.piece, tree, *best, 0);
}

const JsonCommands::Kept& JsonCommands::kept(const Line& line) const {
  return *std::ranges::lower_bound(kept_, line.start, {}, [](const Kept& k) { return k.line.start; });
}

std::string_view JsonCommands::text(const Line& line) const { return kept(line).text; }

void JsonCommands::release(const Line& line) {
  while (!kept_.empty() && kept_.front().line.start <= line.start) kept_.pop_front();
  reader_.release(line.start + line.length);
}

}  // namespace ipseckey::lang
