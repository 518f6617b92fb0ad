// Arbitrary bytes as each of the files in which the kernel describes itself.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "kernel/facts.h"
#include "must.h"

using namespace ipseckey;

namespace {

// A root in which every file has the same contents.
class Root {
 public:
  Root() {
    std::string name = std::filesystem::temp_directory_path() / "fuzz-files.XXXXXX";
    MUST(mkdtemp(name.data()));
    path_ = name;
    file_ = std::fopen((path_ / "one").c_str(), "wb");
    MUST(file_);
    for (const char* const file : {"proc/crypto", "proc/modules", "proc/filesystems", "proc/self/status",
                                   "proc/net/xfrm_stat", "sys/kernel/security/lockdown", "lib/modules/r/modules.dep",
                                   "lib/modules/r/modules.alias", "lib/modules/r/modules.builtin"}) {
      std::filesystem::create_directories((path_ / file).parent_path());
      std::filesystem::create_hard_link(path_ / "one", path_ / file);
    }
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() {
    std::fclose(file_);
    std::filesystem::remove_all(path_);
  }

  void hold(const std::uint8_t* data, std::size_t size) {
    MUST(ftruncate(fileno(file_), 0) == 0);
    MUST(pwrite(fileno(file_), data, size, 0) == static_cast<ssize_t>(size));
  }
  kernel::KernelFiles files() const { return {path_.string(), "r"}; }

 private:
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Root root;
  root.hold(data, size);
  const kernel::KernelFiles files = root.files();
  for (const char* const name : {"esp4", "xfrm_user", "a-b_c", ""}) kernel::module_presence(files, name);
  for (const char* const name : {"cbc(aes)", "rfc4106(gcm(aes))", "hmac(sha256)", "((", ")", ""})
    kernel::algorithm_presence(files, name);
  kernel::lockdown_of(files);
  kernel::has_labels(files);
  kernel::may_change_sas(files);
  for (const auto& [name, count] : kernel::error_counters(files)) {
    MUST(!name.empty());
    kernel::counter_meaning(name);
  }
  return 0;
}
