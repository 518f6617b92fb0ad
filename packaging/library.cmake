# libipseckey0.1, which holds the library, and libipseckey-dev, which one compiles against. Builds with sanitizers have neither.
if(NOT TARGET libipseckey)
  return()
endif()
set(libraries ${CMAKE_INSTALL_LIBDIR})
get_target_property(soversion libipseckey SOVERSION)

install(TARGETS libipseckey EXPORT ipseckey
  LIBRARY DESTINATION ${libraries} COMPONENT library NAMELINK_COMPONENT development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
get_target_property(headers public_headers FILES)
foreach(header ${headers})
  cmake_path(RELATIVE_PATH header BASE_DIRECTORY ${PROJECT_BINARY_DIR}/include OUTPUT_VARIABLE name)
  cmake_path(GET name PARENT_PATH folder)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder} COMPONENT development)
endforeach()

# find_package(ipseckey) and pkg-config; both find the prefix from where they are.
include(CMakePackageConfigHelpers)
set(package_files ${libraries}/cmake/ipseckey)
install(EXPORT ipseckey NAMESPACE ipseckey:: FILE ipseckeyConfig.cmake DESTINATION ${package_files} COMPONENT development)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ipseckeyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ipseckeyConfigVersion.cmake DESTINATION ${package_files} COMPONENT development)
set(prefix ${CMAKE_INSTALL_PREFIX})
set(libdir ${libraries})
if(NOT IS_ABSOLUTE ${libraries})
  string(REGEX REPLACE "[^/]+" ".." up ${libraries}/pkgconfig)
  set(prefix \${pcfiledir}/${up})
  set(libdir \${prefix}/${libraries})
endif()
configure_file(ipseckey.pc.in ipseckey.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ipseckey.pc DESTINATION ${libraries}/pkgconfig COMPONENT development)

# Each package has its changelog and its licence.
foreach(component library development)
  set(name libipseckey${soversion})
  if(component STREQUAL development)
    set(name libipseckey-dev)
  endif()
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  install(FILES debian/copyright ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component})
endforeach()
install(FILES debian/library-lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT library
  RENAME libipseckey${soversion})

list(APPEND CPACK_COMPONENTS_ALL library development)
# For dpkg-shlibdeps of programs that use it, and so that the linker finds it.
file(CONFIGURE OUTPUT debian/shlibs CONTENT "libipseckey @soversion@ libipseckey@soversion@ (>= @PROJECT_VERSION@)\n" @ONLY)
file(CONFIGURE OUTPUT debian/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/debian/shlibs ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION
"manual keying of IPsec for programs: the library
Programs that use it add, change, delete and list security associations of
IPsec in ipsecd or in the Linux kernel, listen to what others change, and read
and write the command language of ipseckey and its JSON.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libipseckey${soversion} (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
"manual keying of IPsec for programs: headers
The headers of libipseckey, and what pkg-config and CMake need to find it. It
wants C++23: g++ 12, clang 16 or a newer one.
.
An example is in the package ipseckey: examples/api/push_keys.cc.")
