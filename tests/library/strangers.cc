// A program that has an Error, an Address, a Family and more of its own, with other contents, and uses the library.
#include <ipseckey/ipseckey.h>

#include <iostream>

struct Error {
  double how_bad = 0;
};
class Address {
 public:
  virtual ~Address() = default;
  virtual const char* street() const { return "Elm Street"; }
};
enum class Family { smith, jones };
struct Secret {
  long size() const { return -1; }
};
struct Message {};
namespace text {
const char* escaped(int) { return "mine"; }
}  // namespace text
namespace pfkey {
int version = 2;
}
namespace secret_heap {
void* allocate(unsigned long) noexcept { return nullptr; }
}  // namespace secret_heap
bool is_loopback(const Address&) { return false; }
bool operator==(const Secret&, const Secret&) { return false; }

int main() {
  const Address mine;
  const auto theirs = ipseckey::parse_address("127.0.0.1");
  const auto secret = ipseckey::secret_of({});
  if (is_loopback(mine) || !theirs || !ipseckey::is_loopback(*theirs) || !secret || !secret->empty()) return 1;
  if (Secret() == Secret() || Secret().size() != -1 || secret_heap::allocate(1)) return 1;
  auto sadb = ipseckey::Sadb::open("memory");
  if (!sadb) return 1;
  std::cout << mine.street() << ' ' << to_string(*theirs) << ' ' << sadb->name() << ' ' << text::escaped(pfkey::version)
            << ' ' << Error{0.5}.how_bad << ' ' << static_cast<int>(Family::jones) << ' ' << sizeof(Message) << '\n';
}
