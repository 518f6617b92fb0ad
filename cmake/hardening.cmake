# Both programs read bytes of strangers. The compiler limits what a fault in handling them can do: Debian's
# hardening=+all, control-flow protection and, outside the packet path, CHECKED_OPTIONS: locals that begin as
# zeros, and checks of the standard library's containers. Their price for a packet is in doc/explanation/benchmarks.md.
# Sanitizers see more than these do, and some are in their way.
set(CHECKED_OPTIONS)
if(IPSECKEY_SANITIZE OR IPSECKEY_TSAN OR IPSECKEY_FUZZ)
  return()
endif()

# Programs are position independent. Where a layer is part of a library, too, CMake says -fPIC instead.
set(type $<TARGET_PROPERTY:TYPE>)
set(library $<OR:$<STREQUAL:${type},MODULE_LIBRARY>,$<STREQUAL:${type},SHARED_LIBRARY>,$<BOOL:$<TARGET_PROPERTY:POSITION_INDEPENDENT_CODE>>>)
target_compile_options(flags INTERFACE $<$<NOT:${library}>:-fPIE>)
target_link_options(flags INTERFACE $<$<STREQUAL:${type},EXECUTABLE>:-pie> -Wl,-z,noexecstack)

target_compile_options(flags INTERFACE -fstack-protector-strong -fstack-clash-protection -Wformat -Wformat-security)
# The C library checks only what is optimized.
target_compile_options(flags INTERFACE $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE>
                                       $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=3>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i[3-6]86)$")
  target_compile_options(flags INTERFACE -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  target_compile_options(flags INTERFACE -mbranch-protection=standard)
endif()
set(CHECKED_OPTIONS -ftrivial-auto-var-init=zero -D_GLIBCXX_ASSERTIONS)
