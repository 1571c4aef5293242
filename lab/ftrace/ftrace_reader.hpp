// Reads ftrace text line by line, plain or gzipped, as tracefs or `trace-cmd report` give it (TE 2).
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ticklab/sim/record.hpp"

namespace ticklab::lab {

/// The lines of a file. What is wrong with it is std::runtime_error with the reason.
class LineReader {
public:
    /// Longer lines are refused.
    static constexpr std::size_t kMaxLine = 64 * 1024;

    explicit LineReader(const std::string& file);
    /// False at the end. The text is without its line end.
    bool next(std::string& line);
    /// Of the line that next() gave last; from 1.
    std::size_t number() const { return number_; }

private:
    struct Close {
        void operator()(gzFile file) const { gzclose_r(file); }
    };
    bool fill();

    std::unique_ptr<gzFile_s, Close> file_;
    std::string buffer_;
    std::size_t at_ = 0;
    std::size_t number_ = 0;
};

/// "TASK-PID [CPU] FLAGS SECONDS: NAME: TEXT".
struct FtraceEvent {
    std::size_t line = 0;
    sim::CpuId cpu = 0;
    std::int64_t at_ns = 0;
    std::string name;
    /// What TEXT has of the form key=value, up to the next blank.
    std::map<std::string, std::string, std::less<>> fields{};

    bool is(std::string_view what) const { return name == what; }
    /// The value of a field that is there.
    const std::string& text(std::string_view field) const;
    /// Of a field that was found to be a number of that base.
    std::uint64_t number(std::string_view field, int base = 10) const;
    std::int64_t signed_number(std::string_view field) const;
};

/// Everything but the fields; nothing if the line is no event.
std::optional<FtraceEvent> read_ftrace_event(std::string_view line, std::string_view& text);
/// Adds the fields of `text`.
void read_ftrace_fields(std::string_view text, FtraceEvent& event);

}  // namespace ticklab::lab
