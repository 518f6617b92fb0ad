#include "replay.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "lab.h"

namespace ipseckey::transcript {
namespace {

using Words = std::vector<std::string>;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("there is no file " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// As in a shell: blanks separate words, single and double quotes hold them together.
Words split(std::string_view text) {
  Words words;
  char quote = 0;
  bool in_word = false;
  for (const char c : text) {
    if (quote == 0 && c == ' ') {
      in_word = false;
      continue;
    }
    if (!std::exchange(in_word, true)) words.emplace_back();
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) throw std::runtime_error("a quote is not closed");
  return words;
}

std::string quoted_lines(std::string_view text) {
  std::string out;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) out += fmt::format("|{}{}\n", line.empty() ? "" : " ", line);
  return out;
}

// What a session does besides ipseckey, in the folder of the transcript.
std::string cat(const Words& words) { return quoted_lines(read_file(words.at(1))); }

std::string ls(const Words&) {
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::directory_iterator(".")) {
    struct stat st{};
    lstat(entry.path().c_str(), &st);
    lines.push_back(fmt::format("{} {:04o}", entry.path().filename().string(), st.st_mode & 07777u));
  }
  std::ranges::sort(lines);
  std::string out;
  for (const std::string& line : lines) out += "| " + line + '\n';
  return out;
}

std::string chmod(const Words& words) {
  if (::chmod(words.at(2).c_str(), static_cast<mode_t>(std::stoul(words.at(1), nullptr, 8))) != 0)
    throw std::runtime_error("chmod fails");
  return {};
}

std::string ln(const Words& words) {
  std::filesystem::create_symlink(words.at(2), words.at(3));  // ln -s TARGET NAME
  return {};
}

std::string mkdir(const Words& words) {
  std::filesystem::create_directory(words.at(1));
  return {};
}

std::string cmp(const Words& words) {
  return read_file(words.at(1)) == read_file(words.at(2)) ? "" : "| they differ\n";
}

struct Tool {
  std::string_view name;
  std::string (*run)(const Words&);
};
constexpr std::array kTools = {Tool{"cat", cat}, Tool{"ls", ls},       Tool{"chmod", chmod},
                               Tool{"ln", ln},   Tool{"mkdir", mkdir}, Tool{"cmp", cmp}};

// A line of a transcript that matches any number of lines of output.
constexpr std::string_view kGap = "| ...\n";

// Whether the written output matches the actual one, apart from its gaps. Both are whole lines.
bool is_abridged(std::string_view written, std::string_view output) {
  std::size_t at = 0;  // What comes before was found.
  for (bool first = true;; first = false) {
    std::size_t gap = written.starts_with(kGap) ? 0 : written.find('\n' + std::string(kGap));
    if (gap == std::string_view::npos) return first ? written == output : output.substr(at).ends_with(written);
    if (gap > 0) ++gap;
    const std::string_view piece = written.substr(0, gap);
    std::size_t found = output.find(piece, at);
    while (found != std::string_view::npos && found > 0 && output[found - 1] != '\n')
      found = output.find(piece, found + 1);
    if (found == std::string_view::npos || (first && found > 0)) return false;
    at = found + piece.size();
    written.remove_prefix(gap + kGap.size());
  }
}

class Replay {
 public:
  explicit Replay(const std::string& text) : in_(text) { set_clock("2026-11-21 03:00:00"); }

  std::string run() {
    try {
      while (next()) line();
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("{}: {}: {}", number_, line_, e.what()));
    }
    return out_;
  }

 private:
  bool next() {
    ++number_;
    return static_cast<bool>(std::getline(in_, line_));
  }

  void line() {
    const bool is_output = line_.starts_with('|') || line_.starts_with('!') || line_.starts_with("[status ");
    if (is_output) return;
    out_ += line_ + '\n';
    if (line_.empty() || line_.starts_with('#')) return;
    if (line_.starts_with("$ ")) {
      out_ += with_gaps(command(line_.substr(2)));
    } else if (line_.starts_with("@ ")) {
      step(line_.substr(2));
    } else if (line_.starts_with("file ")) {
      const std::string name = line_.substr(5);
      std::ofstream(name, std::ios::binary) << block();
      ::chmod(name.c_str(), 0600);
    } else if (line_ == "stdin") {
      input_ = block();
    } else if (line_ == "meanwhile") {
      meanwhile(block());
    } else if (line_ == "terminal" || line_ == "pipe") {
      lab_.terminal = line_ == "terminal";
    } else {
      throw std::runtime_error("this is not a line of a transcript");
    }
  }

  // The output of a command, or the transcript's version of it, if that has gaps and matches apart from them.
  std::string with_gaps(const std::string& output) {
    std::string written;
    while (in_.peek() == '|' || in_.peek() == '!' || in_.peek() == '[') {
      next();
      written += line_ + '\n';
    }
    return is_abridged(written, output) ? written : output;
  }

  // The lines up to `end`.
  std::string block() {
    std::string text;
    while (next()) {
      out_ += line_ + '\n';
      if (line_ == "end") return text;
      text += line_ + '\n';
    }
    throw std::runtime_error("a block has no `end`");
  }

  std::string command(const std::string& text) {
    Words words = split(text);
    if (const std::string name = words[0]; name == "ipseckey" || name == "ipsecalgs" || name == "ipsecconf") {
      words.erase(words.begin());
      const Ran ran = lab_.run(name, std::move(words), std::exchange(input_, {}));
      return ran.output + (ran.status == 0 ? "" : fmt::format("[status {}]\n", ran.status));
    }
    if (words[0] == "foreign" || words[0] == "derived") {
      lab_.hold(text.substr(text.find(' ')), words[0] == "derived");
      return {};
    }
    if (const std::string happened = elsewhere(words); !happened.empty()) return quoted_lines(happened);
    for (const Tool& tool : kTools)
      if (tool.name == words[0]) return tool.run(words);
    throw std::runtime_error("there is no such command in a transcript");
  }

  // The actions of key managers and packets on the SADB; empty: the words are neither.
  std::string elsewhere(const Words& words) {
    if (words.size() != 4) return {};
    const auto number = [](const std::string& text) {
      return static_cast<std::uint32_t>(std::stoul(text, nullptr, 0));
    };
    const auto address = [](const std::string& text) { return parse_address(text).value(); };
    if (words[0] == "getspi")
      return fmt::format("spi {:#x}\n", lab_.sadb.getspi(address(words[1]), address(words[2]), number(words[3])));
    if (words[0] == "packet")
      return lab_.sadb.traffic(number(words[1]), address(words[2]), number(words[3])) ? "carried\n" : "not carried\n";
    return {};
  }

  void step(const std::string& to) {
    if (to[0] != '+') return set_clock(to);
    if (!to.ends_with('s')) throw std::runtime_error("a step is `@ +SECONDSs`");
    lab_.now = lab_.now + std::chrono::seconds(std::stoll(to.substr(1)));
    lab_.sadb.expire();
  }

  void set_clock(const std::string& to) {
    std::tm tm{};
    const char* const end = strptime(to.c_str(), "%Y-%m-%d %H:%M:%S", &tm);
    if (!end || *end != '\0') throw std::runtime_error("a time is `@ YEAR-MONTH-DAY HOUR:MINUTE:SECOND`");
    const std::chrono::sys_seconds wall{std::chrono::seconds(timegm(&tm))};
    if (wall < lab_.now.wall) throw std::runtime_error("time does not go back");
    lab_.now = lab_.now + (wall - lab_.now.wall);
    lab_.sadb.expire();
  }

  // What others do while the next command monitors: commands and steps of the clock, shown where they happen.
  void meanwhile(const std::string& script) {
    lab_.sadb.meanwhile = lab_.rules.meanwhile = [this, script] {
      std::istringstream lines(script);
      for (std::string text; std::getline(lines, text);) {
        lab_.note(text);
        if (text.starts_with("@ ")) step(text.substr(2));
        if (text.starts_with("$ ipseckey ") || text.starts_with("$ ipsecconf ")) {
          Words words = split(text.substr(2));
          const std::string name = words[0];
          words.erase(words.begin());
          lab_.run_inside(name, std::move(words));
        } else if (text.starts_with("$ foreign ")) {
          lab_.hold(text.substr(10), false);
        } else if (text.starts_with("$ derived ")) {
          lab_.hold(text.substr(10), true);
        } else if (text.starts_with("$ drops ")) {
          const Words words = split(text.substr(8));
          lab_.drop(static_cast<std::uint32_t>(std::stoul(words.at(0))), words.at(1) == "in", std::stoull(words.at(2)));
        } else if (text.starts_with("$ ")) {
          const std::string happened = elsewhere(split(text.substr(2)));
          if (!happened.empty()) lab_.note(happened.substr(0, happened.size() - 1));
        }
      }
    };
  }

  std::istringstream in_;
  std::string line_, out_, input_;
  std::size_t number_ = 0;
  Lab lab_;
};

}  // namespace

std::string replay(const std::string& text) { return Replay(text).run(); }

}  // namespace ipseckey::transcript
