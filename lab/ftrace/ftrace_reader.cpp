#include "ticklab/lab/ftrace/ftrace_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace ticklab::lab {
namespace {

constexpr std::string_view kDigits = "0123456789";

/// Takes the text up to the next blank, and the blanks behind it.
std::string_view next_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    return word;
}

template <class Number>
bool whole_number(std::string_view text, Number& value, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size();
}

/// "SECONDS.FRACTION:", six or nine digits behind the point.
bool read_stamp(std::string_view word, std::int64_t& ns) {
    constexpr std::int64_t kNsPerSecond = 1'000'000'000;
    constexpr std::int64_t kMostSeconds = 1'000'000'000;
    const std::size_t dot = word.find('.');
    if (!word.ends_with(':') || dot == std::string_view::npos)
        return false;
    const std::string_view fraction = word.substr(dot + 1, word.size() - dot - 2);
    std::int64_t seconds = 0, part = 0;
    if ((fraction.size() != 6 && fraction.size() != 9) || !whole_number(word.substr(0, dot), seconds) ||
        fraction.find_first_not_of(kDigits) != std::string_view::npos || !whole_number(fraction, part) || seconds < 0 ||
        seconds > kMostSeconds)
        return false;
    ns = seconds * kNsPerSecond + (fraction.size() == 6 ? part * 1000 : part);
    return true;
}

/// Where "[CPU] " is: a task may have brackets in its name.
bool find_cpu(std::string_view line, sim::CpuId& cpu, std::string_view& rest) {
    for (std::size_t open = line.find(" ["); open != std::string_view::npos; open = line.find(" [", open + 1)) {
        const std::size_t close = line.find("] ", open);
        if (close == std::string_view::npos)
            return false;
        if (whole_number(line.substr(open + 2, close - open - 2), cpu)) {
            rest = line.substr(close + 2);
            return true;
        }
    }
    return false;
}

}  // namespace

LineReader::LineReader(const std::string& file) : file_(gzopen(file.c_str(), "rb")) {
    if (!file_)
        throw std::runtime_error(fmt::format("cannot be opened: {}", std::strerror(errno)));
}

bool LineReader::fill() {
    constexpr std::size_t kPart = std::size_t{1} << 18;
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t had = buffer_.size();
    buffer_.resize(had + kPart);
    const int got = gzread(file_.get(), buffer_.data() + had, static_cast<unsigned>(kPart));
    int error = Z_OK;
    const char* const why = gzerror(file_.get(), &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END))
        throw std::runtime_error(
            fmt::format("cannot be read after line {}: {}", number_, error == Z_ERRNO ? std::strerror(errno) : why));
    buffer_.resize(had + static_cast<std::size_t>(got));
    return got > 0;
}

bool LineReader::next(std::string& line) {
    std::size_t end;
    while ((end = buffer_.find('\n', at_)) == std::string::npos) {
        if (buffer_.size() - at_ > kMaxLine)
            break;
        if (fill())
            continue;
        if (buffer_.empty())
            return false;
        end = buffer_.size();
        break;
    }
    ++number_;
    if (end == std::string::npos || end - at_ > kMaxLine)
        throw std::runtime_error(
            fmt::format("line {} is longer than {} bytes, expected ftrace text", number_, kMaxLine));
    line.assign(buffer_, at_, end - at_);
    if (line.ends_with('\r'))
        line.pop_back();
    at_ = std::min(end + 1, buffer_.size());
    return true;
}

const std::string& FtraceEvent::text(std::string_view field) const {
    const auto at = fields.find(field);
    if (at == fields.end())
        throw std::logic_error(fmt::format("line {}: {} has no {}", line, name, field));
    return at->second;
}

std::uint64_t FtraceEvent::number(std::string_view field, int base) const {
    std::uint64_t value = 0;
    if (!whole_number(text(field), value, base))
        throw std::logic_error(fmt::format("line {}: {} of {} is no number", line, field, name));
    return value;
}

std::int64_t FtraceEvent::signed_number(std::string_view field) const {
    std::int64_t value = 0;
    if (!whole_number(text(field), value))
        throw std::logic_error(fmt::format("line {}: {} of {} is no number", line, field, name));
    return value;
}

std::optional<FtraceEvent> read_ftrace_event(std::string_view line, std::string_view& text) {
    FtraceEvent event;
    std::string_view rest;
    if (!find_cpu(line, event.cpu, rest))
        return std::nullopt;
    std::string_view stamp = next_word(rest);
    // The flags, which `trace-cmd report` may leave out.
    if (!stamp.ends_with(':'))
        stamp = next_word(rest);
    std::string_view name = next_word(rest);
    if (!read_stamp(stamp, event.at_ns) || name.size() < 2 || !name.ends_with(':'))
        return std::nullopt;
    name.remove_suffix(1);
    event.name = name;
    text = rest;
    return event;
}

void read_ftrace_fields(std::string_view text, FtraceEvent& event) {
    for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
        if (word.starts_with('['))
            word.remove_prefix(1);
        if (word.ends_with(']'))
            word.remove_suffix(1);
        if (const std::size_t equals = word.find('='); equals != std::string_view::npos)
            event.fields.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
}

}  // namespace ticklab::lab
