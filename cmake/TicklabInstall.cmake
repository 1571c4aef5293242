include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The program, with the machines, cost tables and scenarios that it finds beside itself.
install(TARGETS ticklab RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY scenarios/ DESTINATION ${CMAKE_INSTALL_DATADIR}/ticklab FILES_MATCHING PATTERN "*.json")
install(FILES ${PROJECT_BINARY_DIR}/lab/ticklab.man RENAME ticklab.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_BINARY_DIR}/lab/ticklab.bash RENAME ticklab
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# The package, for timer cores of one's own: every library and its headers.
get_property(libraries GLOBAL PROPERTY TICKLAB_LIBRARIES)
install(TARGETS ${libraries} EXPORT ticklab ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(room sim model lab)
  install(DIRECTORY ${room}/ DESTINATION include/ticklab/${room} FILES_MATCHING PATTERN "*.hpp")
endforeach()
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/ticklab)
install(EXPORT ticklab NAMESPACE ticklab:: DESTINATION ${package_folder} FILE ticklabTargets.cmake)
configure_package_config_file(cmake/ticklabConfig.cmake.in ticklabConfig.cmake INSTALL_DESTINATION ${package_folder}
                              PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(ticklabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ticklabConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ticklabConfigVersion.cmake
        DESTINATION ${package_folder})
