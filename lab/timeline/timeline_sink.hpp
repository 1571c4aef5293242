// Where the bytes of a timeline go.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ticklab::lab {

/// Takes bytes in order. Errors are std::runtime_error with the name and the reason.
class TimelineSink {
public:
    virtual ~TimelineSink() = default;
    virtual void write(std::string_view bytes) = 0;
    /// Every byte has been written. Without it nothing comes to be.
    virtual void close() = 0;
};

/// Opens a file that is written whole or not at all; gzipped if its name ends in ".gz".
std::unique_ptr<TimelineSink> open_timeline_file(const std::string& name);

}  // namespace ticklab::lab
