"""Names known to be pure, by module and attribute: their results depend on their arguments alone.

A name that is not listed counts as impure, so a gap in these lists costs a saved result, never a correct answer.
Local time, locale, and the context of `decimal` are allowed, since the fingerprint covers them (`surroundings.py`).
A type with some impure methods is listed if those are in `IMPURE_METHODS`. Not here: finding the names in a job's
code (`purity.py`, `bytecode.py`).
"""

from __future__ import annotations

import re


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _all_but(text: str) -> frozenset[str]:
    return frozenset({"*", *(f"-{name}" for name in text.split())})


ALL = _all_but("")
"""Every public name of the module that is not a module itself."""

BUILTINS = _names(
    """
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BufferError EOFError Ellipsis
    Exception ExceptionGroup False FloatingPointError GeneratorExit ImportError IndexError KeyError
    KeyboardInterrupt LookupError MemoryError NameError None NotImplemented NotImplementedError OSError OverflowError
    RecursionError ReferenceError RuntimeError StopAsyncIteration StopIteration SyntaxError SystemError SystemExit
    TabError True TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnboundLocalError
    ValueError ZeroDivisionError Warning DeprecationWarning UserWarning FileNotFoundError PermissionError TimeoutError
    __build_class__ __debug__ __doc__ __name__ __annotations__ __conditional_annotations__ __all__ __classcell__
    __module__ __qualname__ __class__
    abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float
    format frozenset getattr hasattr hex int isinstance issubclass iter len list map max memoryview min next object
    oct ord pow print property range repr reversed round set slice sorted staticmethod str sum super tuple type zip
    """
)

_OS_PATH = _names("basename dirname join normpath split splitext splitdrive isabs commonprefix sep")

MODULES: dict[str, frozenset[str]] = {
    "__future__": ALL,
    "abc": ALL,
    "array": ALL,
    "ast": _names("literal_eval"),
    "base64": _all_but("main encode decode"),
    "binascii": ALL,
    "bisect": ALL,
    "bz2": _names("compress decompress"),
    "calendar": _names(
        "timegm isleap leapdays monthrange weekday monthcalendar month_name month_abbr day_name day_abbr"
    ),
    "cmath": ALL,
    "codecs": _names("encode decode BOM_UTF8 BOM_UTF16 BOM_UTF16_LE BOM_UTF16_BE escape_decode"),
    "collections": _names("ChainMap Counter OrderedDict UserDict UserList UserString defaultdict deque namedtuple"),
    "collections.abc": ALL,
    "contextlib": _names("contextmanager nullcontext suppress closing ExitStack"),
    "copy": _names("copy deepcopy error replace"),
    "csv": _names(
        """DictReader DictWriter Dialect Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC QUOTE_NOTNULL
        QUOTE_STRINGS Sniffer excel excel_tab reader unix_dialect writer"""
    ),
    "dataclasses": ALL,
    "datetime": _names("date datetime time timedelta timezone tzinfo MINYEAR MAXYEAR UTC"),
    "decimal": _all_but("getcontext setcontext DefaultContext BasicContext ExtendedContext"),
    "difflib": ALL,
    "email.utils": _names(
        "parsedate parsedate_tz parsedate_to_datetime mktime_tz parseaddr getaddresses unquote quote"
    ),
    "enum": ALL,
    "fnmatch": _names("fnmatch fnmatchcase filter translate"),
    "fractions": _names("Fraction"),
    "functools": ALL,
    "graphlib": ALL,
    "gzip": _names("decompress BadGzipFile"),  # `compress` writes the time into its header
    "hashlib": _all_but("file_digest"),
    "heapq": ALL,
    "hmac": ALL,
    "html": _names("escape unescape"),
    "html.entities": ALL,
    "http": _names("HTTPStatus HTTPMethod"),
    "io": _names("StringIO BytesIO SEEK_SET SEEK_CUR SEEK_END"),
    "ipaddress": ALL,
    "itertools": ALL,
    "json": _names("dump dumps load loads JSONDecoder JSONDecodeError JSONEncoder"),
    "keyword": ALL,
    "lzma": _names("compress decompress LZMAError"),
    "math": ALL,
    "mrframe": _names(
        """Job Reader RunOptions MrframeError approx_distinct approx_quantile collect count distinct each first
        first_by heavy_hitters increment json_lines largest last last_by logs mean median quantile
        smallest stddev text top total words"""
    ),
    "numbers": ALL,
    "operator": ALL,
    "os": _names("sep"),
    "os.path": _OS_PATH,
    "posixpath": _OS_PATH,
    "pathlib": _names("PurePath PurePosixPath PureWindowsPath"),
    "pprint": _names("pformat"),
    "quopri": _names("encodestring decodestring"),
    "re": _names(
        """match fullmatch search sub subn split findall finditer compile escape error PatternError Pattern Match
        A I L M S X U ASCII IGNORECASE LOCALE MULTILINE DOTALL VERBOSE UNICODE NOFLAG RegexFlag"""
    ),
    "reprlib": _names("repr Repr"),
    "shlex": _names("split quote join"),
    "statistics": _all_but("NormalDist random"),  # it draws samples
    "string": _names(
        """ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation
        whitespace Formatter Template"""
    ),
    "struct": ALL,
    "sys": _names("byteorder float_info hash_info int_info intern maxsize maxunicode version_info"),
    "textwrap": ALL,
    "time": _names("strptime mktime struct_time"),
    "types": _names("MappingProxyType SimpleNamespace NoneType GenericAlias UnionType"),
    "typing": _all_but("get_type_hints ForwardRef evaluate_forward_ref"),
    "unicodedata": ALL,
    "urllib.parse": _all_but("clear_cache"),
    "uuid": _names("UUID uuid3 uuid5 NAMESPACE_DNS NAMESPACE_URL NAMESPACE_OID NAMESPACE_X500"),
    "zlib": ALL,
    "zoneinfo": _names("ZoneInfo ZoneInfoNotFoundError"),
    # installed packages: only names that compute
    "pyarrow": _names(
        """Array BooleanArray ChunkedArray DataType DictionaryArray DoubleArray Field Int64Array Int64Scalar
        ListArray RecordBatch Scalar Schema StringArray StructArray Table TimestampArray ArrowInvalid ArrowTypeError
        array binary bool_ chunked_array concat_arrays concat_tables date32 date64 decimal128 dictionary
        duration field float32 float64 int16 int32 int64 int8 large_binary large_string list_ null nulls
        record_batch repeat scalar schema string struct table time32 time64 timestamp uint16 uint32 uint64 uint8 utf8
        """
    ),
    "pyarrow.compute": _all_but(
        """random call_function call_tabular_function register_scalar_function register_aggregate_function
        register_tabular_function register_vector_function get_function function_registry"""
    ),
    "numpy": _names(
        """abs add all any append arange argmax argmin argsort array asarray array_equal average bincount bool_
        broadcast_to ceil clip column_stack concatenate cos cumprod cumsum diff digitize divide dot dtype equal exp
        expand_dims extract eye flatnonzero floor floor_divide float32 float64 full full_like greater greater_equal
        histogram hstack inf inner int16 int32 int64 int8 intersect1d interp isfinite isin isinf isnan less less_equal
        linspace log log10 log1p log2 logical_and logical_not logical_or logical_xor max maximum mean median min
        minimum mod multiply nan nan_to_num nanmax nanmean nanmin nansum negative nonzero not_equal ones
        ones_like outer percentile power prod quantile ravel remainder repeat reshape round searchsorted setdiff1d
        sign sin sort split sqrt square stack std subtract sum take tan tile trunc uint16 uint32 uint64 uint8 union1d
        unique var vstack where zeros zeros_like timedelta64 bitwise_and bitwise_or bitwise_xor
        left_shift right_shift"""
    ),
}

IMPURE_METHODS = _names(
    """
    now today utcnow
    tofile to_pandas ctypes buffer_info
    ag_frame cr_frame f_back f_builtins f_globals f_locals gi_frame tb_frame tb_next gi_code cr_code
    """
)
"""Attributes that are impure on any object: clocks, frames, files, addresses, other packages."""

DUNDER = _names(
    """
    __name__ __qualname__ __doc__ __class__ __wrapped__ __cause__ __context__ __members__
    __init__ __new__ __post_init__ __init_subclass__ __set_name__ __repr__ __str__ __format__ __bytes__ __bool__
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __len__ __length_hint__ __iter__ __next__ __reversed__ __contains__
    __getitem__ __setitem__ __delitem__ __missing__ __call__ __enter__ __exit__ __index__ __int__ __float__
    __complex__ __round__ __trunc__ __floor__ __ceil__ __neg__ __pos__ __abs__ __invert__
    __add__ __sub__ __mul__ __matmul__ __truediv__ __floordiv__ __mod__ __divmod__ __pow__ __lshift__ __rshift__
    __and__ __or__ __xor__ __radd__ __rsub__ __rmul__ __rtruediv__ __rfloordiv__ __rmod__ __rpow__ __rand__ __ror__
    __rxor__ __iadd__ __isub__ __imul__ __iand__ __ior__ __ixor__ __slots__
    """
)
"""The special attributes that are allowed: all others lead to modules, code and globals."""

MUTATORS = _names(
    """
    add append appendleft clear discard extend extendleft insert move_to_end pop popitem popleft remove reverse rotate
    send setdefault sort subtract update write writelines writerow writerows difference_update intersection_update
    symmetric_difference_update
    """
)
"""Methods that change their object."""

BY_NAME = _names("getattr hasattr operator.attrgetter operator.methodcaller")
"""Functions that take the name of an attribute, which must be an allowed literal."""
_SPECIAL_FIELD = re.compile(r"\{[^{}]*__")
_CLOCK_TYPE = re.compile(r"[<>=|]?(datetime64|M8)(\[|$)")
PACKAGES = frozenset(name.split(".")[0] for name in MODULES)


def is_known(module: str, name: str) -> bool:
    """Return whether this name of this module is pure. The first part of a dotted `name` decides."""
    found = MODULES.get(module)
    first = name.partition(".")[0]
    if found is None or not first:
        return False
    if "*" not in found:
        return first in found
    return not first.startswith("_") and f"-{first}" not in found and not _is_module_of(module, first)


def _is_module_of(module: str, name: str) -> bool:
    """Return whether the name is a module that this one imports for its own use: `statistics.random`."""
    import importlib
    from types import ModuleType

    try:
        return isinstance(getattr(importlib.import_module(module), name, None), ModuleType)
    except ImportError:
        return True


def is_attribute_known(name: str) -> bool:
    """Return whether an attribute of this name is pure on any object."""
    if name.startswith("__") and name.endswith("__"):
        return name in DUNDER
    return name not in IMPURE_METHODS


def fault_of_text(text: str) -> str:
    """Return the fault of a literal, or "": it may name attributes for `format`, or NumPy's type that reads "now"."""
    if _SPECIAL_FIELD.search(text):
        return "may format a special attribute"
    return f"names the type {text}, which reads the clock," if _CLOCK_TYPE.match(text) else ""


def fault_of(dotted: str) -> str:
    """Return the fault of using this dotted name of a module outside the job, or ""."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module not in MODULES:
            continue
        if length == len(parts):
            return f"uses the module {module} as a value"
        if not is_known(module, parts[length]):
            break
        wrong = [name for name in parts[length + 1 :] if not is_attribute_known(name)]
        return f"asks for {wrong[0]}" if wrong else ""
    return f"uses {dotted}"
