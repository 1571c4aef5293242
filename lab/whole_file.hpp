// Files are written whole or not at all.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace ticklab::lab {

/// A file could not be written: its name and the reason. Bad usage, not an internal error.
class FileError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Writes a file under a temporary name beside it and renames it when every byte is on its way to the disk.
///
/// Rules
///  - Until commit() nothing is at the name, or what was there before. Without commit() the temporary file goes away.
///  - A name that is no ordinary file, such as /dev/stdout or a pipe, is written directly.
///  - Errors are FileError.
class WholeFile {
public:
    explicit WholeFile(std::string name);
    ~WholeFile();
    WholeFile(const WholeFile&) = delete;
    WholeFile& operator=(const WholeFile&) = delete;

    void write(std::string_view bytes);
    void commit();

private:
    void flush();
    [[noreturn]] void fail(const char* what);

    std::string name_;
    std::string temporary_;  ///< empty if written directly, or committed
    std::string buffer_;
    int fd_ = -1;
};

/// The whole of it in one call.
void write_whole_file(const std::string& name, std::string_view bytes);

}  // namespace ticklab::lab
