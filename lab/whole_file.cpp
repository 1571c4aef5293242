#include "ticklab/lab/whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace ticklab::lab {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

WholeFile::WholeFile(std::string name) : name_(std::move(name)) {
    struct stat existing {};
    const bool exists = ::stat(name_.c_str(), &existing) == 0;
    if (exists && S_ISDIR(existing.st_mode)) {
        errno = EISDIR;
        fail("cannot be written");
    }
    if (exists && !S_ISREG(existing.st_mode)) {
        fd_ = ::open(name_.c_str(), O_WRONLY | O_CLOEXEC);
        if (fd_ < 0)
            fail("cannot be opened");
        return;
    }
    // A link stays a link: what it points to is replaced.
    if (exists) {
        std::error_code error;
        const std::filesystem::path real = std::filesystem::canonical(name_, error);
        if (!error)
            name_ = real.string();
    }
    std::string pattern = name_ + ".XXXXXX";
    fd_ = ::mkostemp(pattern.data(), O_CLOEXEC);
    if (fd_ < 0)
        fail("cannot be written");
    temporary_ = pattern;
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t mode = exists ? existing.st_mode & 07777u : 0666u & ~mask;
    if (::fchmod(fd_, mode) != 0)
        fail("cannot be written");
}

WholeFile::~WholeFile() {
    if (fd_ >= 0)
        ::close(fd_);
    if (!temporary_.empty())
        ::unlink(temporary_.c_str());
}

void WholeFile::write(std::string_view bytes) {
    buffer_ += bytes;
    if (buffer_.size() >= kBufferBytes)
        flush();
}

void WholeFile::flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t written = ::write(fd_, rest.data(), rest.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            fail("cannot be written");
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
}

void WholeFile::commit() {
    flush();
    if (!temporary_.empty() && ::fsync(fd_) != 0)
        fail("cannot be written");
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0)
        fail("cannot be written");
    if (!temporary_.empty() && std::rename(temporary_.c_str(), name_.c_str()) != 0)
        fail("cannot be renamed to");
    temporary_.clear();
}

void WholeFile::fail(const char* what) {
    const std::string reason = std::strerror(errno);
    if (fd_ >= 0)
        ::close(fd_);
    fd_ = -1;
    if (!temporary_.empty())
        ::unlink(temporary_.c_str());
    temporary_.clear();
    throw FileError(name_ + ": " + what + ": " + reason);
}

void write_whole_file(const std::string& name, std::string_view bytes) {
    WholeFile file(name);
    file.write(bytes);
    file.commit();
}

}  // namespace ticklab::lab
