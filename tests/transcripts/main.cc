// Replays one transcript and shows how it differs from the actual output; with --update rewrites it with that output.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <vector>

#include "replay.h"

using namespace ipseckey;

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder for the session while it runs.
class Folder {
 public:
  Folder() : path_((fs::temp_directory_path() / "transcript.XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw std::runtime_error("cannot create a folder");
    fs::current_path(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    fs::current_path("/");
    fs::remove_all(path_);
  }

 private:
  std::string path_;
};

int show_difference(const fs::path& file, const std::string& now) {
  std::ofstream("now.txt", std::ios::binary) << now;
  std::cout << "The transcript no longer tells what happens (- as written, + as it is now).\n" << std::flush;
  std::ignore = std::system(fmt::format("diff -u '{}' now.txt", file.string()).c_str());
  std::cout << "If the new output is right: transcripts --update " << file.string() << '\n';
  return 1;
}

int run(bool update, const fs::path& file) {
  const std::string text = read_file(file);
  if (text.empty()) throw std::runtime_error("it is empty or cannot be read");
  const Folder folder;
  const std::string now = transcript::replay(text);
  if (now == text) return 0;
  if (!update) return show_difference(file, now);
  std::ofstream(file, std::ios::binary) << now;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool update = argc > 1 && std::string_view(argv[1]) == "--update";
  if (argc < (update ? 3 : 2)) {
    std::cerr << "usage: transcripts [--update] FILE ...\n";
    return 2;
  }
  setenv("TZ", "UTC", 1);
  std::vector<fs::path> files;  // Each session has a folder of its own: names are resolved before the first begins.
  for (int i = update ? 2 : 1; i < argc; ++i) files.push_back(fs::absolute(argv[i]));
  int status = 0;
  for (const fs::path& file : files) {
    try {
      status |= run(update, file);
    } catch (const std::exception& e) {
      std::cerr << file.string() << ": " << e.what() << '\n';
      status = 1;
    }
  }
  return status;
}
