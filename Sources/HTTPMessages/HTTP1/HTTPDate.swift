/// A moment as the `Date` field writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
package struct HTTPDate: Sendable {
    /// The 29 bytes of the text.
    package let bytes: [UInt8]

    /// - Parameter seconds: seconds since 1970-01-01 00:00 UTC; days before it or after year 9999 do not occur in a
    ///   clock and are moved to the nearest one that can be written.
    package init(secondsSince1970 seconds: Int) {
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        // Years that begin in March have their leap day last, which makes months and years divide evenly
        // (the proleptic Gregorian calendar in eras of 400 years, 146,097 days).
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = (monthFromMarch + 2) % 12
        let year = yearOfEra + era * 400 + (month < 2 ? 1 : 0)

        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        bytes = Array(
            "\(weekdays[days % 7]), \(two(day)) \(months[month]) \(year) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60)) GMT"
                .utf8
        )
    }
}
