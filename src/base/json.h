#pragma once
/// JSON for programs: objects on one line each, members in the order in which they were put.
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ipseckey {

/// An object under construction. Invalid UTF-8 is written with replacement characters, everything outside ASCII as
/// \uXXXX.
class JsonObject {
 public:
  JsonObject();
  JsonObject(JsonObject&& other) noexcept;
  JsonObject& operator=(JsonObject&& other) noexcept;
  ~JsonObject();

  void put(std::string_view name, std::string_view text);
  void put(std::string_view name, const char* text) { put(name, std::string_view(text)); }
  void put(std::string_view name, const std::string& text) { put(name, std::string_view(text)); }
  void put(std::string_view name, bool value);
  template <std::unsigned_integral Number>
  void put(std::string_view name, Number number) {
    put_number(name, number);
  }
  void put(std::string_view name, const std::vector<std::string>& texts);
  void put(std::string_view name, JsonObject object);
  void put(std::string_view name, std::vector<JsonObject> objects);

  /// The object and a newline.
  std::string line() const;

 private:
  void put_number(std::string_view name, std::uint64_t number);

  struct Members;
  std::unique_ptr<Members> members_;
};

}  // namespace ipseckey
