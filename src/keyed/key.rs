//! Making a key of a borrowed form.

use std::{
    ffi::{CStr, CString, OsStr, OsString},
    hash::Hash,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use equivalent::Equivalent;

/// A form by which keys of the type `K` are looked up, and of which one is made when the key
/// is not in use yet. A small key that needs no drop, such as `u64`, is made by each request.
///
/// Any type that is `Clone` is that for itself; `str` for `String` and for `Arc<str>`,
/// `Rc<str>` and `Box<str>`, and so are `[T]`, `OsStr`, `Path` and `CStr` for theirs. For
/// types of your own, implement it. A form has to be [`Hash`], as its keys are, and
/// [`Equivalent`] to them: whatever is `Eq` and can be borrowed from a key is that.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::KeyedSemaphore;
///
/// let hosts = KeyedSemaphore::<Arc<str>>::new(2);
/// let permit = hosts.try_acquire("a.example")?;
/// assert_eq!(hosts.snapshot("a.example").active, 1);
/// # drop(permit);
/// # Ok::<(), dynaphore::error::KeyedTryAcquireError>(())
/// ```
pub trait ToKey<K>: Hash + Equivalent<K> {
    /// Makes a key, equal to this one and with the same hash.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::ToKey;
    ///
    /// let key: std::sync::Arc<str> = "a.example".to_key();
    /// assert_eq!(&*key, "a.example");
    /// ```
    fn to_key(&self) -> K;
}

/// A key itself.
impl<K: Hash + Eq + Clone> ToKey<K> for K {
    #[inline]
    fn to_key(&self) -> K {
        self.clone()
    }
}

macro_rules! forms {
    ($($form:ty $(, $param:ident)?: $($key:ty),+;)+) => {
        $(forms!(@ $form, [$($param)?], $($key),+);)+
    };
    (@ $form:ty, $params:tt, $($key:ty),+) => {
        $(forms!(@@ $form, $params, $key);)+
    };
    (@@ $form:ty, [$($param:ident)?], $key:ty) => {
        impl$(<$param: Hash + Eq + Clone>)? ToKey<$key> for $form {
            #[inline]
            fn to_key(&self) -> $key {
                self.into()
            }
        }
    };
}

forms! {
    str: String, Arc<str>, Rc<str>, Box<str>;
    OsStr: OsString, Arc<OsStr>, Rc<OsStr>, Box<OsStr>;
    Path: PathBuf, Arc<Path>, Rc<Path>, Box<Path>;
    CStr: CString, Arc<CStr>, Rc<CStr>, Box<CStr>;
    [T], T: Vec<T>, Arc<[T]>, Rc<[T]>, Box<[T]>;
}
