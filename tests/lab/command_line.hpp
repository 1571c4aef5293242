// The program's command line, called as main() calls it, with what it says caught.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ticklab/lab/program.hpp"

namespace ticklab::lab::testing {

/// A folder of its own that goes away with it.
class ScratchFolder {
public:
    ScratchFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "ticklab-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no folder for the test");
        path_ = name;
    }
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

inline std::string contents(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

/// What one of the standard streams is given goes to a file for as long as it stands.
class CaughtStream {
public:
    CaughtStream(std::FILE* stream, const std::string& file) : stream_(stream), fd_(::fileno(stream)) {
        std::fflush(stream_);
        before_ = ::dup(fd_);
        const int to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(to, fd_);
        ::close(to);
    }
    ~CaughtStream() {
        std::fflush(stream_);
        ::dup2(before_, fd_);
        ::close(before_);
    }
    CaughtStream(const CaughtStream&) = delete;
    CaughtStream& operator=(const CaughtStream&) = delete;

private:
    std::FILE* stream_;
    int fd_;
    int before_;
};

struct Said {
    int code;
    std::string out, err;
};

/// `ticklab WORDS...`
inline Said program(const std::vector<std::string>& words) {
    const ScratchFolder folder;
    std::vector<const char*> argv{"ticklab"};
    for (const std::string& word : words)
        argv.push_back(word.c_str());
    Said said{};
    {
        const CaughtStream out(stdout, folder / "out");
        const CaughtStream err(stderr, folder / "err");
        said.code = run_program(static_cast<int>(argv.size()), argv.data());
    }
    said.out = contents(folder / "out");
    said.err = contents(folder / "err");
    return said;
}

}  // namespace ticklab::lab::testing
