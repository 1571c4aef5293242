#include "ticklab/lab/timeline/timeline_sink.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

#include "ticklab/lab/whole_file.hpp"

namespace ticklab::lab {
namespace {

class PlainFile final : public TimelineSink {
public:
    explicit PlainFile(const std::string& name) : file_(name) {}
    void write(std::string_view bytes) override { file_.write(bytes); }
    void close() override { file_.commit(); }

private:
    WholeFile file_;
};

class GzipFile final : public TimelineSink {
public:
    explicit GzipFile(const std::string& name) : file_(name), name_(name) {
        // 15 bits of window, and 16 for a gzip header; zlib leaves its time stamp 0, so equal runs give equal files.
        constexpr int kWindowBits = 15 + 16;
        constexpr int kMemoryLevel = 8;
        if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
            Z_OK)
            throw std::runtime_error(name_ + ": cannot be compressed: zlib does not start");
    }
    ~GzipFile() override { deflateEnd(&stream_); }
    GzipFile(const GzipFile&) = delete;
    GzipFile& operator=(const GzipFile&) = delete;

    void write(std::string_view bytes) override {
        while (!bytes.empty()) {
            const std::size_t part = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
            deflate_part(bytes.substr(0, part), Z_NO_FLUSH);
            bytes.remove_prefix(part);
        }
    }
    void close() override {
        deflate_part({}, Z_FINISH);
        file_.commit();
    }

private:
    void deflate_part(std::string_view bytes, int flush) {
        // zlib's interface predates const; it does not write to its input.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            if (deflate(&stream_, flush) == Z_STREAM_ERROR)
                throw std::runtime_error(name_ + ": cannot be compressed: zlib lost its state");
            file_.write({out_.data(), out_.size() - stream_.avail_out});
        } while (stream_.avail_out == 0);
    }

    WholeFile file_;
    std::string name_;
    z_stream stream_{};
    std::array<char, 1 << 16> out_{};
};

}  // namespace

std::unique_ptr<TimelineSink> open_timeline_file(const std::string& name) {
    if (name.ends_with(".gz"))
        return std::make_unique<GzipFile>(name);
    return std::make_unique<PlainFile>(name);
}

}  // namespace ticklab::lab
