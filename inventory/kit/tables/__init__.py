"""Tables that people keep in spreadsheets: one reader and one writer for every CSV file.

| module | for |
|---|---|
| `cells` | the guard that keeps a cell from becoming a formula |
| `dialect` | the encoding and the separator of a file |
| `reading` | the header and the rows of a file, with their lines |
| `whole` | whole numbers as spreadsheets write them |
| `writing` | rows as lines of a file |

# Reading

One table has many spellings. Excel separates cells by the separator of the country that it runs in,
puts a byte order mark before UTF-8, writes "Unicode text" as UTF-16 with tabs, and leaves the
separators behind the last filled cell away in some rows and writes too many of them in others. So
the reader takes:

* UTF-8 with or without a byte order mark, and UTF-16 of either byte order;
* commas, semicolons or tabs, as a first line `sep=;` names them or as the header and the first rows
  fit best;
* rows that end in CR LF, LF or CR, and line breaks inside quotes;
* empty columns behind the last named one, empty rows, and rows that are shorter than the header,
  whose missing cells are empty.

It never guesses where a wrong guess would change a value. Windows-1252 and its kin cannot be told
from each other, and a mug's name would be garbled for good, so such a file is refused, with the
line of the first such letter and the type of file to save it as. A row with something in a column
without a name is refused too, for it would be lost. `1,234` may be a thousand or little more than
one.

Lines are numbered as the spreadsheet numbers its rows: the header is line 1, empty rows count, a
row whose cells have several lines counts as one, and a line `sep=;` does not count.

# Writing

A spreadsheet calculates cells that begin with certain signs, and it may take the file apart at
other separators than the writer's. `cells` tells how the guard works; the import of a file takes it
off again, so every table comes back as it was.
"""
